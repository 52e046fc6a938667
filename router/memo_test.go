package router

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestManyWhoAskAtOnceCauseOneLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemo[string, int](100, time.Now)
		var loads atomic.Int64
		load := func(context.Context) (int, time.Duration) {
			time.Sleep(time.Second)
			return int(loads.Add(1)), time.Minute
		}
		impatient, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		first, cancelFirst := context.WithCancel(t.Context())
		answers := make(chan int, 20)
		go func() {
			v, _ := m.get(first, "a", load)
			answers <- v
		}()
		synctest.Wait()
		// Who began may leave; those who wait get the answer all the same.
		cancelFirst()
		for range 10 {
			go func() {
				v, err := m.get(t.Context(), "a", load)
				if err != nil {
					t.Error(err)
				}
				answers <- v
			}()
		}
		if _, err := m.get(impatient, "a", load); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who waits no longer: got error %v", err)
		}
		if _, ok := m.peek("a"); ok {
			t.Error("peek found what is not there yet")
		}
		for range 11 {
			if v := <-answers; v != 1 {
				t.Errorf("got %d, want the answer of the first load", v)
			}
		}
		if v, ok := m.peek("a"); !ok || v != 1 {
			t.Errorf("peek: got %d, %v", v, ok)
		}
		time.Sleep(time.Minute)
		if _, ok := m.peek("a"); ok {
			t.Error("a minute later it is still there")
		}
		if v, err := m.get(t.Context(), "a", load); v != 2 || err != nil {
			t.Errorf("a minute later: got %d, error %v", v, err)
		}
	})
}

func TestAMemoIsBounded(t *testing.T) {
	t.Parallel()
	m := newMemo[int, int](160, time.Now)
	for i := range 10_000 {
		m.set(i, i, time.Hour)
		if v, ok := m.peek(i); !ok || v != i {
			t.Fatalf("%d: got %d, %v just after set", i, v, ok)
		}
	}
	if n := m.len(); n > 160 || n < 100 {
		t.Errorf("%d entries are kept, want about 160", n)
	}
	m.set(1, 1, time.Hour)
	m.forget(1)
	if _, ok := m.peek(1); ok {
		t.Error("a forgotten entry is there")
	}
}

func TestAnAnswerWithoutLifetimeIsNotKept(t *testing.T) {
	t.Parallel()
	m, loads := newMemo[string, int](160, time.Now), 0
	for range 3 {
		if _, err := m.get(t.Context(), "a", func(context.Context) (int, time.Duration) { loads++; return 0, 0 }); err != nil {
			t.Fatal(err)
		}
	}
	if loads != 3 {
		t.Errorf("%d loads, want 3", loads)
	}
}
