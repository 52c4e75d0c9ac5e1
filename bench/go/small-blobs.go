package main

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const blobBytes = 4096

// smallBlobs stores COUNT blobs that begin with SEED, so many of them AT ONCE.
func smallBlobs(ctx context.Context, client *containerd.Client, args []string) (map[string]any, error) {
	count, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, err
	}
	atOnce, err := strconv.Atoi(args[1])
	if err != nil {
		return nil, err
	}
	ctx = leases.WithLease(ctx, args[3])
	store := client.ContentStore()
	numbers, failures := make(chan int), make(chan error, atOnce)
	var workers sync.WaitGroup
	for i := 0; i < atOnce; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for number := range numbers {
				blob := make([]byte, blobBytes)
				copy(blob, fmt.Sprintf("%s %d", args[2], number))
				target := ocispec.Descriptor{Digest: digest.FromBytes(blob), Size: blobBytes}
				if err := content.WriteBlob(ctx, store, "blob-"+target.Digest.String(), bytes.NewReader(blob), target); err != nil {
					select {
					case failures <- err:
					default:
					}
				}
			}
		}()
	}
	for number := 0; number < count; number++ {
		numbers <- number
	}
	close(numbers)
	workers.Wait()
	select {
	case err := <-failures:
		return nil, err
	default:
		return map[string]any{"blobs": count}, nil
	}
}
