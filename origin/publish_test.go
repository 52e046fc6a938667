package origin

import (
	"bytes"
	"net/http"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/meta"
)

func TestEdgesThatComeToLifeDuringAnUploadGetItsBlocksToo(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	b.net.Meta.Alive(2)
	data := content(3<<20 + 5)
	half := len(data) / 2
	address := b.want(http.StatusCreated, "POST", "/v1/uploads", nil, tus, "Upload-Length: "+strconv.Itoa(len(data)), metadata("name", "demo/a.bin")).
		Header.Get("Location")
	b.want(http.StatusNoContent, "PATCH", address, bytes.NewReader(data[:half]),
		tus, "Upload-Offset: 0", "Content-Type: application/offset+octet-stream")
	var open struct{ ID string }
	b.want(http.StatusCreated, "POST", "/v1/bundles", bytes.NewBufferString(`{"name":"demo/b"}`)).decode(t, &open)
	b.want(http.StatusCreated, "PUT", "/v1/bundles/"+open.ID+"/files/x.bin", bytes.NewReader(data))

	b.net.Meta.Alive(3)
	b.want(http.StatusNoContent, "PATCH", address, bytes.NewReader(data[half:]),
		tus, "Upload-Offset: "+strconv.Itoa(half), "Content-Type: application/offset+octet-stream")
	b.want(http.StatusOK, "POST", "/v1/bundles/"+open.ID+"/publish", nil)
	for _, p := range b.net.Meta.Published() { // which checks that they have all blocks
		if diff := cmp.Diff([]meta.EdgeID{1, 2, 3}, p.Durable); diff != "" {
			t.Errorf("%s is durable on (-want +got):\n%s", p.Name, diff)
		}
	}
	if n := len(b.net.Meta.Published()); n != 2 {
		t.Errorf("%d names moved, want 2", n)
	}
}
