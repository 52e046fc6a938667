package apikey

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func spec() Key {
	return Key{Scopes: []Scope{Read, Write}, Namespaces: []string{"demo", "team-*"}}
}

func TestAKeyOpensOnlyWhatItNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sentence  string
		key       Key
		scope     Scope
		namespace string
		want      bool
	}{
		{"a namespace that it names", spec(), Write, "demo", true},
		{"a namespace that its pattern covers", spec(), Read, "team-red", true},
		{"another namespace", spec(), Read, "demos", false},
		{"a scope that it lacks", spec(), Delete, "demo", false},
		{"a scope alone", spec(), Write, "", true},
		{"admin has every scope", Key{Scopes: []Scope{Admin}, Namespaces: []string{"*"}}, Delete, "any", true},
		{"admin of one namespace is none of another", Key{Scopes: []Scope{Admin}, Namespaces: []string{"one"}}, Read, "two", false},
	} {
		if got := c.key.May(c.scope, c.namespace); got != c.want {
			t.Errorf("%s: May(%s, %s) = %v, want %v", c.sentence, c.scope, c.namespace, got, c.want)
		}
	}
}

func TestAFileOfKeys(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sub", "keys.json")
	first, err := Create(path, spec())
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	f.now = func() time.Time { return now }
	if f.Find(first) == nil {
		t.Error("the token that Create returned is not found")
	}
	text, _ := os.ReadFile(path)
	if strings.Contains(string(text), first) {
		t.Error("the file holds the token itself")
	}
	if f.Find(first+"x") != nil || f.Find("") != nil || f.Find(strings.Repeat("a", 1<<20)) != nil {
		t.Error("something that is no token is found")
	}
	second, err := Create(path, Key{Scopes: []Scope{Admin}, Namespaces: []string{"*"}, Expires: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Second)
	key := f.Find(second)
	if key == nil {
		t.Fatal("a key added to the file is not seen")
	}
	now = now.Add(2 * time.Hour)
	if f.Find(second) != nil {
		t.Error("a key is good after its end")
	}
	if err := Remove(path, f.Find(first).ID); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Second)
	if f.Find(first) != nil {
		t.Error("a removed key is still good")
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Second)
	f.Find(first)
	if f.Err() == nil {
		t.Error("a broken file is not reported")
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	good := `{"id":"a","hash":"` + strings.Repeat("0", 64) + `","scopes":["read"],"namespaces":["*"],"created":"2020-01-01T00:00:00Z"}`
	for _, c := range []struct{ sentence, text string }{
		{"nothing", ``},
		{"another version", `{"version":2,"keys":[]}`},
		{"an unknown field", `{"version":1,"keys":[],"more":1}`},
		{"text behind", `{"version":1,"keys":[]} {}`},
		{"a key twice", `{"version":1,"keys":[` + good + `,` + good + `]}`},
		{"a short hash", `{"version":1,"keys":[` + strings.Replace(good, "00", "", 1) + `]}`},
		{"an unknown scope", `{"version":1,"keys":[` + strings.Replace(good, `"read"`, `"fly"`, 1) + `]}`},
		{"no scope", `{"version":1,"keys":[` + strings.Replace(good, `"read"`, ``, 1) + `]}`},
		{"a pattern with a slash", `{"version":1,"keys":[` + strings.Replace(good, `"*"`, `"a/b"`, 1) + `]}`},
	} {
		if _, err := Parse([]byte(c.text)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: error %v, want ErrInvalid", c.sentence, err)
		}
	}
	if _, err := Parse([]byte(`{"version":1,"keys":[` + good + `]}`)); err != nil {
		t.Errorf("a good file: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"keys":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := Parse(text)
		if err == nil {
			for i := range keys {
				if err := keys[i].Validate(); err != nil {
					t.Errorf("a key that was accepted: %v", err)
				}
			}
		}
	})
}
