package metahttp

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metapb"
)

// FuzzMessages reads bytes as each message that is converted, on either end:
// whatever they are, they are refused, or one way back and forth more changes
// nothing.
func FuzzMessages(f *testing.F) {
	for _, m := range []proto.Message{
		beatMessage(1, testBeat()), beatReplyMessage(testBeatReply()), networkMessage(testNetwork()), statusMessage(testStatus()),
		ticketRequestMessage(testTicketRequest()), recordMessage(testRecord()),
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		there(t, b, &metapb.BeatRequest{}, (*reading).beat, func(v meta.Beat) *metapb.BeatRequest { return beatMessage(0, v) })
		there(t, b, &metapb.BeatResponse{}, (*reading).beatReply, beatReplyMessage)
		there(t, b, &metapb.NetworkResponse{}, (*reading).network, networkMessage)
		there(t, b, &metapb.StatusResponse{}, (*reading).status, statusMessage)
		there(t, b, &metapb.TicketRequest{}, (*reading).ticketRequest, ticketRequestMessage)
		there(t, b, &metapb.Record{}, (*reading).record, recordMessage)
	})
}

func there[P proto.Message, T any](t *testing.T, b []byte, p P, read func(*reading, P) T, write func(T) P) {
	t.Helper()
	var r reading
	if proto.Unmarshal(b, p) != nil {
		return
	}
	first := read(&r, p)
	if r.err != nil {
		return
	}
	second := read(&r, write(first))
	if r.err != nil {
		t.Fatalf("%T refuses its own message: %v", first, r.err)
	}
	equal(t, first, second)
}
