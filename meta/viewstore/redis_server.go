package viewstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Server asks every Redis server for its version and how long an answer takes:
// the oldest version and the slowest answer, for people who look for what is
// wrong.
func (s *Redis) Server(ctx context.Context) (version string, slowest time.Duration, err error) {
	type answer struct {
		version string
		took    time.Duration
	}
	answers := make(chan answer, 1024) // each may run for several masters at once
	err = s.each(ctx, func(ctx context.Context, c redis.UniversalClient) error {
		if err := c.Ping(ctx).Err(); err != nil { // connects
			return err
		}
		began := time.Now()
		info, err := c.Info(ctx, "server").Result()
		if err != nil {
			return err
		}
		_, found, _ := strings.Cut(info, "redis_version:")
		found, _, _ = strings.Cut(found, "\r\n")
		select {
		case answers <- answer{found, time.Since(began)}:
		default:
		}
		return nil
	})
	if err != nil {
		return "", 0, s.wrap(ctx, "ask for its version", err)
	}
	close(answers)
	for a := range answers {
		if version == "" || older(a.version, version) {
			version = a.version
		}
		slowest = max(slowest, a.took)
	}
	return version, slowest, nil
}

// older compares versions of numbers and dots.
func older(a, b string) bool {
	var x, y [3]int
	_, _ = fmt.Sscanf(a, "%d.%d.%d", &x[0], &x[1], &x[2]) // what is missing is 0
	_, _ = fmt.Sscanf(b, "%d.%d.%d", &y[0], &y[1], &y[2])
	for i := range x {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return false
}
