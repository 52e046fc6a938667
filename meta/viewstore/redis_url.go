package viewstore

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// redisOptions reads an address of Redis:
//
//	redis://[user[:password]@]host[:port][,host[:port]…][/database][?…]
//
// rediss:// is the same over TLS. One host is a single server, several are
// seeds of a cluster. The query may have
//
//	cluster=true          the one host is the seed of a cluster
//	sentinel=MASTER       the hosts are sentinels that know this master
//	password_file=PATH    the password is this file's content, trimmed
//	sentinel_password_file=PATH
//
// and nothing else.
func redisOptions(address string) (*redis.UniversalOptions, error) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok || (scheme != "redis" && scheme != "rediss") {
		return nil, fmt.Errorf("%w: a Redis URL begins with redis:// or rediss://", ErrInvalid)
	}
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	credentials, hosts := "", authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		credentials, hosts = authority[:i+1], authority[i+1:]
	}
	// net/url takes one host; the list is ours.
	u, err := url.Parse(scheme + "://" + credentials + "host" + tail)
	if err != nil {
		return nil, fmt.Errorf("%w: Redis URL has a form that cannot be read", ErrInvalid) // err would show the password
	}
	o := &redis.UniversalOptions{
		ClientName: "stratos", DisableIdentity: true, ContextTimeoutEnabled: true,
		DialTimeout: 2 * time.Second, ReadTimeout: 3 * time.Second, WriteTimeout: 3 * time.Second,
		MaxRetries: 3, MaxRedirects: 8, ConnMaxIdleTime: 5 * time.Minute,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	for host := range strings.SplitSeq(hosts, ",") {
		address, err := hostPort(host)
		if err != nil {
			return nil, err
		}
		o.Addrs = append(o.Addrs, address)
	}
	o.Username = u.User.Username()
	o.Password, _ = u.User.Password()
	if scheme == "rediss" {
		host, _, _ := net.SplitHostPort(o.Addrs[0])
		o.TLSConfig = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	}
	if database := strings.Trim(u.Path, "/"); database != "" {
		if o.DB, err = strconv.Atoi(database); err != nil || o.DB < 0 {
			return nil, fmt.Errorf("%w: Redis database %.20q is not a number", ErrInvalid, database)
		}
	}
	if err := redisQuery(o, u.Query()); err != nil {
		return nil, err
	}
	if o.DB != 0 && (o.IsClusterMode || (len(o.Addrs) > 1 && o.MasterName == "")) {
		return nil, fmt.Errorf("%w: a Redis cluster has database 0 only", ErrInvalid)
	}
	return o, nil
}

func redisQuery(o *redis.UniversalOptions, query url.Values) error {
	for name, values := range query {
		value, err := values[len(values)-1], error(nil)
		switch name {
		case "cluster":
			o.IsClusterMode, err = strconv.ParseBool(value)
		case "sentinel":
			o.MasterName = value
		case "password_file":
			o.Password, err = secret(value)
		case "sentinel_password_file":
			o.SentinelPassword, err = secret(value)
		default:
			return fmt.Errorf("%w: Redis URL has the unknown parameter %.40q", ErrInvalid, name)
		}
		if err != nil {
			return fmt.Errorf("%w: Redis URL's %s: %w", ErrInvalid, name, err)
		}
	}
	if o.IsClusterMode && o.MasterName != "" {
		return fmt.Errorf("%w: a Redis URL names a cluster or a sentinel, not both", ErrInvalid)
	}
	return nil
}

func secret(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, 4096))
	return string(bytes.TrimSpace(content)), err
}

func hostPort(host string) (string, error) {
	bare := strings.Trim(host, "[]")
	if net.ParseIP(bare) != nil || !strings.Contains(host, ":") {
		host = net.JoinHostPort(bare, "6379")
	}
	name, port, err := net.SplitHostPort(host)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil || name == "" {
		return "", fmt.Errorf("%w: %.80q is no host and port of a Redis server", ErrInvalid, host)
	}
	return host, nil
}
