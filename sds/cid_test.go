package sds_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stratos-mesh/stratos/sds"
)

func TestCIDsAreReadAndWrittenAsOthersDo(t *testing.T) {
	t.Parallel()
	const text = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
	empty := sds.Sum(sds.Raw, nil)
	if got := empty.String(); got != text {
		t.Errorf("got %s, want %s", got, text)
	}
	for name, other := range map[string]string{
		"base32": text, "base58": "zb2rhmy65F3REf8SZp7De11gxtECBGgUKaLdiDj7MCGCHxbDW",
		"base16": "f01551220e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	} {
		if got, err := sds.Parse(other); err != nil || got != empty {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, empty)
		}
	}
	if got, err := sds.ParseBytes(empty.Bytes()); err != nil || got != empty {
		t.Errorf("bytes: got %s, %v, want %s", got, err, empty)
	}
	for name, broken := range map[string]string{
		"nothing":       "",
		"noise":         "hello",
		"version 0":     "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH",
		"another codec": "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua",
		"another hash":  "bafkrgqhhyivzstcz3hhswshfjgy6ertgmnqeleynhwt4dlfsthi4hn7zgh4uvlsb5xncykzapi3ocd4lzogukir6ksdy6wzrnz6ohnv4aglcs",
		"much too long": "b" + strings.Repeat("a", 1<<20),
	} {
		if got, err := sds.Parse(broken); !errors.Is(err, sds.ErrMalformed) || got.Defined() {
			t.Errorf("%s: got %s, %v, want ErrMalformed", name, got, err)
		}
	}
}

func TestCIDsAreStringsInJSON(t *testing.T) {
	t.Parallel()
	type record struct{ A, B sds.CID }
	want := record{A: sds.Sum(sds.DagPB, []byte("x"))}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got record
	if err := json.Unmarshal(text, &got); err != nil || got != want {
		t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
	}
	if err := json.Unmarshal([]byte(`{"A":"x"}`), &got); err == nil {
		t.Error("noise was taken for a CID")
	}
}
