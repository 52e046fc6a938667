package nodeauth

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/remitly-oss/httpsig-go"
)

// oracle is another implementation of RFC 9421: it finds our key by its id.
type oracle struct{ signer *Signer }

func (o oracle) FetchByKeyID(_ context.Context, _ http.Header, id string) (httpsig.KeySpecer, error) {
	if id != o.signer.id {
		return nil, errors.New("unknown key")
	}
	return httpsig.KeySpec{KeyID: id, Algo: httpsig.Algo_ED25519, PubKey: o.signer.Key()}, nil
}

func (oracle) Fetch(context.Context, http.Header, httpsig.MetadataProvider) (httpsig.KeySpecer, error) {
	return nil, errors.New("no key id")
}

func TestAnotherImplementationAcceptsOurSignature(t *testing.T) {
	t.Parallel()
	s, _ := pair(t)
	r := request("POST", "http://edge:8080/a/b?c=d", "body")
	r.Header.Set("Stratos-Hops", "3,4")
	_, err := httpsig.Verify(sign(t, s, r), oracle{s}, httpsig.VerifyProfile{
		SignatureLabel: label,
		RequiredFields: httpsig.Fields("@method", "@authority", "@path", "@query", "content-digest", "stratos-hops"),
	})
	if err != nil {
		t.Error(err)
	}
}

func TestWeAcceptTheSignatureOfAnotherImplementation(t *testing.T) {
	t.Parallel()
	s, v := pair(t)
	r := request("POST", "http://edge:8080/a/b?c=d", "body")
	err := httpsig.Sign(r, httpsig.SigningProfile{
		Algorithm: httpsig.Algo_ED25519,
		Label:     label,
		Fields:    httpsig.Fields("content-digest", "@query", "@path", "@method", "@authority"),
		Metadata: []httpsig.Metadata{
			httpsig.MetaTag, httpsig.MetaKeyID, httpsig.MetaNonce, httpsig.MetaExpires, httpsig.MetaCreated, httpsig.MetaAlgorithm,
		},
		ExpiresDuration: Window,
	}, httpsig.SigningKey{Key: s.key, MetaKeyID: s.id, MetaTag: tag})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(r); err != nil {
		t.Error(err)
	}
}

func TestTransportSignsWhatGoesOverTheWire(t *testing.T) {
	t.Parallel()
	s, v := pair(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, err := v.Verify(r)
		if err != nil || !key.Equal(s.Key()) {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		io.Copy(w, r.Body)
	}))
	t.Cleanup(server.Close)
	client := &http.Client{Transport: s.Transport(server.Client().Transport)}
	for name, body := range map[string]io.Reader{
		"no body":                       nil,
		"an empty body":                 strings.NewReader(""),
		"a body of known length":        strings.NewReader("hello"),
		"a body of a length to be seen": io.MultiReader(strings.NewReader("hel"), strings.NewReader("lo")),
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/a%2Fb/?x", body)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if got, _ := io.ReadAll(answer.Body); answer.StatusCode != 200 {
				t.Errorf("%s: %s", answer.Status, got)
			}
			if r.Header.Get("Signature") != "" {
				t.Error("the caller's request was changed")
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestSignRefusesALargeBodyWithoutDigest(t *testing.T) {
	t.Parallel()
	s, _ := pair(t)
	r := httptest.NewRequest("PUT", "http://edge/", endless{})
	if err := s.Sign(r); err == nil {
		t.Error("signed an endless body")
	}
}
