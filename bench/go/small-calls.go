package main

import (
	"context"
	"sort"
	"strconv"
	"sync"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/opencontainers/go-digest"
)

// smallCalls asks for a blob's info: CALLS times one after the other, and ten times as often from 64 at once.
func smallCalls(ctx context.Context, client *containerd.Client, args []string) (map[string]any, error) {
	target := digest.Digest(args[0])
	calls, err := strconv.Atoi(args[1])
	if err != nil {
		return nil, err
	}
	store := client.ContentStore()
	ask := func() error {
		_, err := store.Info(ctx, target)
		return err
	}
	for i := 0; i < calls/5; i++ {
		if err := ask(); err != nil {
			return nil, err
		}
	}
	took := make([]time.Duration, calls)
	for i := range took {
		start := time.Now()
		if err := ask(); err != nil {
			return nil, err
		}
		took[i] = time.Since(start)
	}
	sort.Slice(took, func(a, b int) bool { return took[a] < took[b] })

	const inFlight = 64
	each := calls * 10 / inFlight
	failures := make(chan error, inFlight)
	var workers sync.WaitGroup
	start := time.Now()
	for i := 0; i < inFlight; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for n := 0; n < each; n++ {
				if err := ask(); err != nil {
					failures <- err
					return
				}
			}
		}()
	}
	workers.Wait()
	seconds := time.Since(start).Seconds()
	select {
	case err := <-failures:
		return nil, err
	default:
	}
	return map[string]any{
		"p50Us":     float64(took[calls/2].Nanoseconds()) / 1000,
		"perSecond": float64(inFlight*each) / seconds,
	}, nil
}
