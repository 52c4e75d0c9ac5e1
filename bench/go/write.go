package main

import (
	"context"
	"os"
	"strconv"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// write stores a file as the Go client's own helper does it.
func write(ctx context.Context, client *containerd.Client, args []string) (map[string]any, error) {
	file, err := os.Open(args[0])
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return nil, err
	}
	ctx = leases.WithLease(ctx, args[3])
	target := ocispec.Descriptor{Digest: digest.Digest(args[1]), Size: size}
	if err := content.WriteBlob(ctx, client.ContentStore(), "bench-go", file, target); err != nil {
		return nil, err
	}
	return map[string]any{"bytes": size}, nil
}
