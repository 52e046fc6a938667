package nodeauth

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pair is a signer and a verifier that knows its key and no other.
func pair(t testing.TB) (*Signer, *Verifier) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return NewSigner(private), &Verifier{Known: func(k ed25519.PublicKey) bool { return k.Equal(public) }}
}

// request as a server sees it; body may be empty.
func request(method, target, body string) *http.Request {
	if body == "" {
		return httptest.NewRequest(method, target, nil)
	}
	return httptest.NewRequest(method, target, strings.NewReader(body))
}

func sign(t testing.TB, s *Signer, r *http.Request) *http.Request {
	t.Helper()
	if err := s.Sign(r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestVerifyAccepts(t *testing.T) {
	t.Parallel()
	s, v := pair(t)
	withDigest := request("PUT", "http://edge:8080/slices/x", "a body that streams")
	withDigest.Header.Set("Content-Digest", FormatDigest(sha256.Sum256([]byte("a body that streams"))))
	withFields := request("PUT", "http://edge/slices/x", "b")
	withFields.Header.Set("Stratos-Grant", "AAAA")
	withFields.Header.Set("Stratos-Hops", "")
	for name, r := range map[string]*http.Request{
		"a request without a body":             request("GET", "http://edge:8080/slices/x?y=z&y", ""),
		"a body whose digest Sign computes":    request("POST", "http://meta/rpc", "message"),
		"a body that came with its digest":     withDigest,
		"header fields of ours":                withFields,
		"an escaped path":                      request("GET", "http://edge/a%2Fb%0A/c%20d", ""),
		"no path":                              request("GET", "http://edge", ""),
		"an authority in capitals with a port": request("GET", "http://EDGE:443/", ""),
	} {
		t.Run(name, func(t *testing.T) {
			key, err := v.Verify(sign(t, s, r))
			if err != nil || !key.Equal(s.Key()) {
				t.Fatalf("Verify = %x, %v; want the signer's key", key, err)
			}
			if _, err := io.ReadAll(r.Body); err != nil {
				t.Errorf("reading the body: %v", err)
			}
		})
	}
}

// Everything that an attacker on the way, or a stranger, may try.
func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	_, stranger := pair(t)
	inputs := func(r *http.Request, from, to string) {
		r.Header.Set("Signature-Input", strings.Replace(r.Header.Get("Signature-Input"), from, to, 1))
	}
	for name, test := range map[string]struct {
		tamper func(r *http.Request)
		want   error
	}{
		"no signature":                 {func(r *http.Request) { r.Header.Del("Signature") }, ErrUnsigned},
		"no signature input":           {func(r *http.Request) { r.Header.Del("Signature-Input") }, ErrUnsigned},
		"another label":                {func(r *http.Request) { inputs(r, "stratos=", "sig1=") }, ErrUnsigned},
		"another method":               {func(r *http.Request) { r.Method = "PUT" }, ErrSignature},
		"another host":                 {func(r *http.Request) { r.Host = "other" }, ErrSignature},
		"another path":                 {func(r *http.Request) { r.URL.Path = "/b" }, ErrSignature},
		"a path escaped another way":   {func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/a/b", "/a%2Fb" }, ErrSignature},
		"another query":                {func(r *http.Request) { r.URL.RawQuery = "q=2" }, ErrSignature},
		"a field of ours added":        {func(r *http.Request) { r.Header.Set("Stratos-New", "1") }, ErrUnsigned},
		"a field of ours changed":      {func(r *http.Request) { r.Header.Set("Stratos-Hops", "2") }, ErrSignature},
		"a field of ours removed":      {func(r *http.Request) { r.Header.Del("Stratos-Hops") }, ErrUnsigned},
		"a field of ours twice":        {func(r *http.Request) { r.Header.Add("Stratos-Hops", "2") }, ErrUnsigned},
		"the digest changed":           {func(r *http.Request) { r.Header.Set("Content-Digest", FormatDigest([32]byte{})) }, ErrSignature},
		"the digest removed":           {func(r *http.Request) { r.Header.Del("Content-Digest") }, ErrUnsigned},
		"a digest of another kind":     {func(r *http.Request) { r.Header.Set("Content-Digest", "sha-512=:AAAA:") }, ErrUnsigned},
		"two digests":                  {func(r *http.Request) { r.Header.Add("Content-Digest", FormatDigest([32]byte{})) }, ErrUnsigned},
		"the path not covered":         {func(r *http.Request) { inputs(r, ` "@path"`, "") }, ErrUnsigned},
		"the digest not covered":       {func(r *http.Request) { inputs(r, ` "content-digest"`, "") }, ErrUnsigned},
		"a component twice":            {func(r *http.Request) { inputs(r, `"@path"`, `"@path" "@path"`) }, ErrUnsigned},
		"a component with parameters":  {func(r *http.Request) { inputs(r, `"@path"`, `"@path";req`) }, ErrUnsigned},
		"a component we do not know":   {func(r *http.Request) { inputs(r, `"@path"`, `"@path" "@status"`) }, ErrUnsigned},
		"a component that is a number": {func(r *http.Request) { inputs(r, `"@path"`, `"@path" 7`) }, ErrUnsigned},
		"created is text":              {func(r *http.Request) { inputs(r, "created=", `created="x";x=`) }, ErrUnsigned},
		"created moved":                {func(r *http.Request) { inputs(r, "expires=", "expires=1") }, ErrSignature},
		"a parameter we do not know":   {func(r *http.Request) { inputs(r, ";created", ";x;created") }, ErrUnsigned},
		"another tag":                  {func(r *http.Request) { inputs(r, tag, "other") }, ErrUnsigned},
		"no tag":                       {func(r *http.Request) { inputs(r, `;tag="`+tag+`"`, "") }, ErrUnsigned},
		"no nonce":                     {func(r *http.Request) { inputs(r, `;nonce=`, ";alg=") }, ErrUnsigned},
		"another algorithm":            {func(r *http.Request) { inputs(r, `;tag`, `;alg="hmac-sha256";tag`) }, ErrUnsigned},
		"a stranger's key id":          {func(r *http.Request) { inputs(r, `keyid="`, `keyid="A`) }, ErrUnsigned},
		"a short signature":            {func(r *http.Request) { r.Header.Set("Signature", "stratos=:AAAA:") }, ErrUnsigned},
		"a signature of zeros": {func(r *http.Request) {
			r.Header.Set("Signature", "stratos=:"+strings.Repeat("A", 86)+"==:")
		}, ErrSignature},
		"a list for a signature": {func(r *http.Request) { r.Header.Set("Signature", "stratos=(1 2)") }, ErrUnsigned},
		"garbage":                {func(r *http.Request) { r.Header.Set("Signature-Input", "\x00(((") }, ErrUnsigned},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, v := pair(t)
			r := request("POST", "http://edge/a?q=1", "body")
			r.Header.Set("Stratos-Hops", "1")
			test.tamper(sign(t, s, r))
			if _, err := v.Verify(r); !errors.Is(err, test.want) {
				t.Errorf("Verify = %v, want %v", err, test.want)
			}
			if _, err := stranger.Verify(sign(t, s, request("GET", "http://edge/", ""))); !errors.Is(err, ErrUnknownKey) {
				t.Errorf("Verify by one who does not know the key = %v, want %v", err, ErrUnknownKey)
			}
		})
	}
}

func TestVerifierWithoutKeysAcceptsNobody(t *testing.T) {
	t.Parallel()
	s, _ := pair(t)
	if _, err := new(Verifier).Verify(sign(t, s, request("GET", "http://edge/", ""))); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("Verify = %v, want %v", err, ErrUnknownKey)
	}
}

func TestVerifyRefusesABodyAddedOnTheWay(t *testing.T) {
	t.Parallel()
	s, v := pair(t)
	r := sign(t, s, request("GET", "http://edge/", ""))
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x")), 1
	if _, err := v.Verify(r); !errors.Is(err, ErrUnsigned) {
		t.Errorf("one of known length: %v, want %v", err, ErrUnsigned)
	}
	r.ContentLength = -1
	if _, err := v.Verify(r); err != nil {
		t.Errorf("one that shows when it is read: %v", err)
	}
	if got, err := io.ReadAll(r.Body); !errors.Is(err, ErrDigest) {
		t.Errorf("read %q, %v; want %v", got, err, ErrDigest)
	}
}

// What a server wrapped is a body, though there is nothing in it.
func TestVerifyAcceptsAWrappedEmptyBody(t *testing.T) {
	t.Parallel()
	s, v := pair(t)
	for _, length := range []int64{0, -1} {
		r := sign(t, s, request("POST", "http://edge/", ""))
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("")), length
		if _, err := v.Verify(r); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r.Body); err != nil || len(got) != 0 {
			t.Errorf("read %q, %v", got, err)
		}
	}
}

func TestBodyChangedOnTheWayEndsInAnError(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"changed": "bodY", "longer": "body and more", "shorter": "bod", "empty": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, v := pair(t)
			r := sign(t, s, request("POST", "http://edge/", "body"))
			r.Body = io.NopCloser(strings.NewReader(body))
			if _, err := v.Verify(r); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r.Body); !errors.Is(err, ErrDigest) {
				t.Errorf("read %q, %v; want %v", got, err, ErrDigest)
			}
		})
	}
}

func TestVerifyHoldsTheWindow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ahead time.Duration
		want  error
	}{
		"the same clock":                {0, nil},
		"a clock 58 s ahead":            {58 * time.Second, nil},
		"a clock 58 s behind":           {-58 * time.Second, nil},
		"a clock 62 s ahead":            {62 * time.Second, ErrStale},
		"a clock 62 s behind":           {-62 * time.Second, ErrStale},
		"a signature kept for an hour":  {time.Hour, ErrStale},
		"a signature from the far past": {1 << 62, ErrStale},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, v := pair(t)
			v.Now = func() time.Time { return time.Now().Add(test.ahead) }
			if _, err := v.Verify(sign(t, s, request("GET", "http://edge/", ""))); !errors.Is(err, test.want) {
				t.Errorf("Verify = %v, want %v", err, test.want)
			}
		})
	}
}

func TestVerifyRefusesReplay(t *testing.T) {
	t.Parallel()
	s, v := pair(t)
	r := sign(t, s, request("GET", "http://edge/", ""))
	if _, err := v.Verify(r); err != nil {
		t.Fatal(err)
	}
	// As late as the window allows, the nonce is still remembered.
	for _, late := range []time.Duration{0, 30 * time.Second, 59 * time.Second} {
		v.Now = func() time.Time { return time.Now().Add(late) }
		if _, err := v.Verify(r); !errors.Is(err, ErrReplay) {
			t.Errorf("%s later: %v, want %v", late, err, ErrReplay)
		}
	}
}

func TestMemoryOfNoncesIsBoundedAndForgets(t *testing.T) {
	t.Parallel()
	var m memory
	now := time.Unix(1_800_000_000, 0)
	one, other := make(ed25519.PublicKey, 32), bytes.Repeat([]byte{1}, 32)
	use := func(key ed25519.PublicKey, nonce string) error { return m.use(key, nonce, now, now, 8) }
	for _, step := range []struct {
		key   ed25519.PublicKey
		nonce string
		want  error
	}{
		{one, "a", nil},
		{one, "b", nil},
		{one, "a", ErrReplay},
		{one, "c", ErrBusy}, // a quarter of eight is its part
		{other, "a", nil},   // the same nonce of another key is another nonce
	} {
		if err := use(step.key, step.nonce); !errors.Is(err, step.want) {
			t.Errorf("use %q = %v, want %v", step.nonce, err, step.want)
		}
	}
	now = now.Add(Window + (periodSeconds+1)*time.Second)
	if err := use(one, "c"); err != nil {
		t.Errorf("after the window: %v", err)
	}
	if m.total != 1 || len(m.periods) != 1 {
		t.Errorf("remembers %d nonces in %d periods, want 1 in 1", m.total, len(m.periods))
	}
}

func FuzzVerify(f *testing.F) {
	s, v := pair(f)
	r := sign(f, s, request("POST", "http://edge/", "x"))
	f.Add(r.Header.Get("Signature-Input"), r.Header.Get("Signature"), r.Header.Get("Content-Digest"))
	f.Add(`stratos=("@method");created=@1`, `stratos=:AA==:`, "")
	f.Fuzz(func(t *testing.T, input, signature, digest string) {
		r := request("POST", "http://edge/", "x")
		r.Header.Set("Signature-Input", input)
		r.Header.Set("Signature", signature)
		r.Header.Set("Content-Digest", digest)
		if key, err := v.Verify(r); err == nil && !key.Equal(s.Key()) {
			t.Errorf("accepted %x", key)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	s, _ := pair(b)
	r := request("GET", "http://127.0.0.2:8080/slices/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy", "")
	for b.Loop() {
		if err := s.Sign(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	s, v := pair(b)
	v.MaxNonces = 1 << 30
	r := request("GET", "http://127.0.0.2:8080/slices/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy", "")
	for b.Loop() {
		b.StopTimer()
		sign(b, s, r)
		b.StartTimer()
		if _, err := v.Verify(r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMemory is a million nonces within one window.
func BenchmarkMemory(b *testing.B) {
	key, now := make(ed25519.PublicKey, 32), time.Unix(1_800_000_000, 0)
	b.ReportAllocs()
	for b.Loop() {
		var m memory
		for i := range 1 << 20 {
			if err := m.use(key, strconv.Itoa(i), now.Add(time.Duration(i%60)*time.Second), now, 0); err != nil {
				b.Fatal(err)
			}
		}
	}
}
