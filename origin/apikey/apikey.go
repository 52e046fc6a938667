// Package apikey holds the keys under which people and programs use an origin.
//
// A key is a token that only its owner has: 32 random bytes. The file keeps its
// SHA-256, what it may do (scopes), where (namespace patterns) and how much
// (quotas). Random tokens of that length need no slow hash: there is nothing to
// guess from the file.
package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ErrInvalid: a key or a file of keys that breaks a rule.
var ErrInvalid = errors.New("invalid API key")

// Scope is something that a key may do.
type Scope string

// The scopes. Admin has all of them.
const (
	Read   Scope = "read"   // look at names and content
	Write  Scope = "write"  // upload, publish, move
	Delete Scope = "delete" // remove and revoke
	Work   Scope = "work"   // encode videos for the origin, of all namespaces
	Admin  Scope = "admin"
)

// Key is what an origin knows of a key.
type Key struct {
	// ID names the key in logs and commands; it is part of the token and no
	// secret.
	ID string `json:"id"`
	// Hash is the SHA-256 of the token in hexadecimal.
	Hash string `json:"hash"`
	// Note says for people whose it is.
	Note   string  `json:"note,omitempty"`
	Scopes []Scope `json:"scopes"`
	// Namespaces are patterns in which * stands for any characters: "*", "team-*".
	Namespaces []string `json:"namespaces"`
	// MaxBytes that this key may have published at one time; 0 is no limit.
	MaxBytes int64 `json:"max_bytes,omitempty"`
	// MaxUploads under way at one time; 0 is the origin's default.
	MaxUploads int `json:"max_uploads,omitempty"`
	// RequestsPerMinute; 0 is the origin's default.
	RequestsPerMinute int       `json:"requests_per_minute,omitempty"`
	Created           time.Time `json:"created"`
	// Expires is when the key ends; zero is never.
	Expires time.Time `json:"expires,omitzero"`
}

// May tells whether the key has a scope in a namespace. An empty namespace asks
// for the scope alone.
func (k *Key) May(scope Scope, namespace string) bool {
	if !slices.Contains(k.Scopes, scope) && !slices.Contains(k.Scopes, Admin) {
		return false
	}
	if namespace == "" {
		return true
	}
	for _, pattern := range k.Namespaces {
		if ok, err := path.Match(pattern, namespace); err == nil && ok {
			return true
		}
	}
	return false
}

// Expired tells whether the key has ended.
func (k *Key) Expired(now time.Time) bool { return !k.Expires.IsZero() && !now.Before(k.Expires) }

// Validate finds the first rule that the key breaks.
func (k *Key) Validate() error {
	if k.ID == "" || strings.Trim(k.ID, idAlphabet) != "" {
		return fmt.Errorf("%w: id %.40q: want characters of %s", ErrInvalid, k.ID, idAlphabet)
	}
	if h, err := hex.DecodeString(k.Hash); err != nil || len(h) != sha256.Size {
		return fmt.Errorf("%w %s: hash: want 64 hexadecimal digits", ErrInvalid, k.ID)
	}
	if len(k.Scopes) == 0 {
		return fmt.Errorf("%w %s: no scopes: name at least one of read, write, delete, work, admin", ErrInvalid, k.ID)
	}
	for _, s := range k.Scopes {
		if !slices.Contains([]Scope{Read, Write, Delete, Work, Admin}, s) {
			return fmt.Errorf("%w %s: scope %.40q: want read, write, delete, work or admin", ErrInvalid, k.ID, s)
		}
	}
	if len(k.Namespaces) == 0 {
		return fmt.Errorf("%w %s: no namespaces: name at least one pattern, * for all", ErrInvalid, k.ID)
	}
	for _, p := range k.Namespaces {
		if !pattern().MatchString(p) {
			return fmt.Errorf("%w %s: namespace pattern %.80q: want a-z, 0-9, - and *", ErrInvalid, k.ID, p)
		}
	}
	if k.MaxBytes < 0 || k.MaxUploads < 0 || k.RequestsPerMinute < 0 {
		return fmt.Errorf("%w %s: a quota is below zero", ErrInvalid, k.ID)
	}
	return nil
}

const idAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789"

func pattern() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9*-]{1,63}$`) }

// New draws a token for a key and fills in what belongs to it.
func New(spec Key, now time.Time) (token string, key Key, err error) {
	var id [5]byte
	var secret [32]byte
	_, _ = rand.Read(id[:]) // never fails
	_, _ = rand.Read(secret[:])
	key = spec
	key.ID = strings.ToLower(base32.StdEncoding.EncodeToString(id[:]))
	token = "stk_" + key.ID + "_" + base64.RawURLEncoding.EncodeToString(secret[:])
	key.Hash = hash(token)
	key.Created = now.UTC().Truncate(time.Second)
	return token, key, key.Validate()
}

func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
