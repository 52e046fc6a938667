package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/origin/origintest"
	"github.com/stratos-mesh/stratos/origin/pipeline"
	"github.com/stratos-mesh/stratos/sds"
)

func writer(net *origintest.Net, change func(*pipeline.Config)) (*pipeline.Writer, *pipeline.Counters) {
	c := pipeline.Config{Meta: net.Meta, HTTP: net.HTTP, Pause: time.Millisecond, Counters: &pipeline.Counters{}}
	if change != nil {
		change(&c)
	}
	return pipeline.New(c), c.Counters
}

func request() meta.Upload {
	return meta.Upload{ID: [16]byte{1}, Name: "demo/a", Kind: meta.Object, MaxBytes: 100 << 20, Replicas: 3}
}

// store imports n slices and returns their root, which edges have all of it,
// and what went wrong.
func store(ctx context.Context, w *pipeline.Writer, n int, during func(slice int)) (sds.CID, []meta.EdgeID, error) {
	session, err := w.Open(ctx, request(), nil, 0)
	if err != nil {
		return sds.CID{}, nil, err
	}
	batch := session.Batch(ctx, pipeline.Tally{})
	defer batch.Close()
	splitter := sds.NewSplitter(session.Sink(batch))
	for i := range n {
		if during != nil {
			during(i)
		}
		slice := bytes.Repeat([]byte{byte(i), byte(i >> 8)}, sds.SliceSize/2)
		if _, err := splitter.Write(ctx, slice); err != nil {
			return sds.CID{}, nil, err
		}
	}
	built, err := splitter.Finish(ctx)
	if err != nil {
		return sds.CID{}, nil, err
	}
	tally, err := batch.Wait()
	if err != nil {
		return sds.CID{}, nil, err
	}
	durable, err := session.Fill(ctx, tally, built.Root)
	return built.Root, durable, err
}

// complete tells whether an edge has every block under a root.
func complete(t *testing.T, e *origintest.Edge, root sds.CID) bool {
	t.Helper()
	return sds.Walk(t.Context(), e.Store, root, func(cid sds.CID, _ int64) error {
		_, err := e.Store.Get(t.Context(), cid)
		return err
	}) == nil
}

func TestBlocksComeToAllEdgesOfTheGrant(t *testing.T) {
	t.Parallel()
	net := origintest.Start(t, 5)
	w, counters := writer(net, nil)
	root, durable, err := store(t.Context(), w, 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]meta.EdgeID{1, 2, 3}, durable); diff != "" {
		t.Errorf("durable (-want +got):\n%s", diff)
	}
	for _, e := range durable {
		if !complete(t, net.Edge(e), root) {
			t.Errorf("edge %d lacks blocks", e)
		}
	}
	if n := net.Edge(1).Writes.Load(); n != 11 {
		t.Errorf("edge 1 was written to %d times, want once for each of 11 blocks", n)
	}
	if counters.Filled.Load() != 0 || counters.Failures.Load() != 0 || len(net.Meta.Begun()) != 1 {
		t.Errorf("without trouble: %d filled, %d failures, %d grants", counters.Filled.Load(), counters.Failures.Load(), len(net.Meta.Begun()))
	}
}

func TestEdgesForwardInOneOrderWhateverTheGrantSays(t *testing.T) {
	t.Parallel()
	net := origintest.Start(t, 5)
	net.Meta.Reverse = true
	net.Edge(2).StopAfter(3)
	w, _ := writer(net, nil)
	if _, _, err := store(t.Context(), w, 10, nil); err != nil {
		t.Fatal(err)
	}
	for _, e := range net.Edges {
		if n := e.Backward.Load(); n != 0 {
			t.Errorf("edge %d was to forward %d blocks to a lower number: two such uploads can wait for each other", e.ID, n)
		}
	}
}

func TestFailingEdgesAreReplacedAndTheirReplacementsFilled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sentence string
		during   func(net *origintest.Net, slice int)
		want     []meta.EdgeID
	}{
		{"the first edge is gone from the beginning", func(net *origintest.Net, i int) {
			if i == 0 {
				net.Edge(1).Stop()
			}
		}, []meta.EdgeID{2, 3, 4}},
		{"the first edge dies half-way", func(net *origintest.Net, i int) {
			if i == 0 {
				net.Edge(1).StopAfter(7)
			}
		}, []meta.EdgeID{2, 3, 4}},
		{"the last edge dies half-way", func(net *origintest.Net, i int) {
			if i == 0 {
				net.Edge(3).StopAfter(7)
			}
		}, []meta.EdgeID{1, 2, 4}},
		{"two edges die, one after the other", func(net *origintest.Net, i int) {
			if i == 0 {
				net.Edge(1).StopAfter(4)
				net.Edge(2).StopAfter(9)
			}
		}, []meta.EdgeID{3, 4, 5}},
		{"the replacement dies too", func(net *origintest.Net, i int) {
			if i == 0 {
				net.Edge(2).StopAfter(4)
				net.Edge(4).StopAfter(6)
			}
		}, []meta.EdgeID{1, 3, 5}},
		{"an edge is full", func(net *origintest.Net, i int) {
			if i == 10 {
				net.Edge(2).Answer(http.StatusInsufficientStorage)
			}
		}, []meta.EdgeID{1, 3, 4}},
		{"three of five die: two are left, and two are enough", func(net *origintest.Net, i int) {
			if i == 0 {
				net.Edge(4).Stop()
				net.Edge(5).Stop()
				net.Edge(1).StopAfter(5)
			}
		}, []meta.EdgeID{2, 3}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			net := origintest.Start(t, 5)
			w, counters := writer(net, nil)
			root, durable, err := store(t.Context(), w, 20, func(i int) { c.during(net, i) })
			if err != nil {
				t.Fatal(err)
			}
			if slices.Sort(durable); !slices.Equal(durable, c.want) {
				t.Errorf("durable: got %v, want %v", durable, c.want)
			}
			for _, e := range durable {
				if !complete(t, net.Edge(e), root) {
					t.Errorf("edge %d is called durable and lacks blocks", e)
				}
			}
			if counters.Replaced.Load() == 0 {
				t.Error("no edge is counted as replaced")
			}
		})
	}
}

func TestOneReplicaIsNotEnoughWhereTwoAreWanted(t *testing.T) {
	t.Parallel()
	net := origintest.Start(t, 3)
	net.Edge(1).StopAfter(2)
	net.Edge(2).StopAfter(4)
	w, _ := writer(net, func(c *pipeline.Config) { c.Attempts = 4 })
	if _, _, err := store(t.Context(), w, 10, nil); !errors.Is(err, meta.ErrNoEdges) {
		t.Errorf("got %v, want ErrNoEdges", err)
	}
}

func TestTroubleThatPasses(t *testing.T) {
	t.Parallel()
	t.Run("an edge answers 503 twice", func(t *testing.T) {
		t.Parallel()
		net := origintest.Start(t, 3)
		net.Edge(1).AnswerTimes(http.StatusServiceUnavailable, 2)
		w, counters := writer(net, func(c *pipeline.Config) { c.BatchMemory = 1<<20 + 2048 })
		if _, _, err := store(t.Context(), w, 3, nil); err != nil {
			t.Fatal(err)
		}
		if counters.Replaced.Load() != 0 {
			t.Error("the edge was replaced")
		}
	})
	t.Run("a grant that edges refuse is asked for again", func(t *testing.T) {
		t.Parallel()
		net := origintest.Start(t, 3)
		net.Edge(1).AnswerTimes(http.StatusForbidden, 1)
		w, counters := writer(net, nil)
		if _, _, err := store(t.Context(), w, 1, nil); err != nil {
			t.Fatal(err)
		}
		if counters.Replaced.Load() != 0 || len(net.Meta.Begun()) != 2 {
			t.Errorf("%d edges replaced, %d grants", counters.Replaced.Load(), len(net.Meta.Begun()))
		}
	})
	t.Run("a grant that ends soon is renewed before it does", func(t *testing.T) {
		t.Parallel()
		net := origintest.Start(t, 3)
		net.Meta.GrantLife = time.Minute
		w, _ := writer(net, nil)
		if _, _, err := store(t.Context(), w, 1, nil); err != nil {
			t.Fatal(err)
		}
		if n := len(net.Meta.Begun()); n < 2 {
			t.Errorf("%d grants", n)
		}
	})
	t.Run("the meta node is away for a while when an edge dies", func(t *testing.T) {
		t.Parallel()
		net := origintest.Start(t, 4)
		w, _ := writer(net, func(c *pipeline.Config) { c.Pause = 20 * time.Millisecond })
		_, durable, err := store(t.Context(), w, 10, func(i int) {
			switch i {
			case 3:
				net.Edge(1).Stop()
				net.Meta.FailTimes(fmt.Errorf("away"), 3)
			}
		})
		if slices.Sort(durable); err != nil || !slices.Equal(durable, []meta.EdgeID{2, 3, 4}) {
			t.Errorf("durable on %v, error %v", durable, err)
		}
	})
}

func TestTroubleThatStays(t *testing.T) {
	t.Parallel()
	t.Run("every edge refuses every grant", func(t *testing.T) {
		t.Parallel()
		net := origintest.Start(t, 3)
		for _, e := range net.Edges {
			e.Answer(http.StatusForbidden)
		}
		w, _ := writer(net, func(c *pipeline.Config) { c.Attempts = 3 })
		if _, _, err := store(t.Context(), w, 1, nil); !errors.Is(err, meta.ErrNoEdges) {
			t.Errorf("got %v, want ErrNoEdges", err)
		}
	})
	t.Run("the caller goes away", func(t *testing.T) {
		t.Parallel()
		net := origintest.Start(t, 3)
		release := net.Edge(1).Hold()
		defer release()
		w, counters := writer(net, nil)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			net.Edge(1).AwaitHeld(1)
			cancel()
		}()
		if _, _, err := store(ctx, w, 40, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		if n := counters.InFlight.Load(); n != 0 {
			t.Errorf("%d bytes are still in flight", n)
		}
	})
	t.Run("a name that belongs to another is not asked for ten times", func(t *testing.T) {
		t.Parallel()
		net := origintest.Start(t, 3)
		net.Meta.Fail(meta.ErrConflict)
		w, _ := writer(net, nil)
		if _, _, err := store(t.Context(), w, 1, nil); !errors.Is(err, meta.ErrConflict) {
			t.Errorf("got %v, want ErrConflict", err)
		}
	})
}

func TestAGrantGrowsWithAnUploadOfUnknownSize(t *testing.T) {
	t.Parallel()
	net := origintest.Start(t, 3)
	w, _ := writer(net, nil)
	session, err := w.Open(t.Context(), meta.Upload{Name: "demo/a", MaxBytes: 4 << 20, Replicas: 3}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	batch := session.Batch(t.Context(), pipeline.Tally{})
	defer batch.Close()
	for i := range 20 {
		slice := bytes.Repeat([]byte{byte(i)}, sds.SliceSize)
		if err := session.Sink(batch)(t.Context(), sds.Sum(sds.Raw, slice), slice); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := batch.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := session.Grant().MaxBytes; got < 20<<20 {
		t.Errorf("the grant covers %d bytes, 20 MiB were sent", got)
	}
	if n := len(net.Meta.Begun()); n > 6 {
		t.Errorf("%d grants for 20 MiB, want a few", n)
	}
}

func TestReadingGoesOnToTheNextEdge(t *testing.T) {
	t.Parallel()
	net := origintest.Start(t, 3)
	w, _ := writer(net, nil)
	block := []byte("a block")
	cid := sds.Sum(sds.Raw, block)
	if _, err := sds.Receive(t.Context(), net.Edge(3).Store, cid, bytes.NewReader(block), sds.Pinned); err != nil {
		t.Fatal(err)
	}
	net.Edge(1).Stop()
	got, err := w.Getter([]meta.EdgeID{1, 2, 3, 9}).Get(t.Context(), cid)
	if err != nil || !bytes.Equal(got, block) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := w.Getter([]meta.EdgeID{1, 2}).Get(t.Context(), cid); err == nil {
		t.Error("a block that no edge has was read")
	}
}
