package main

import (
	"context"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
)

// list lists all blobs and all containers of the namespace.
func list(ctx context.Context, client *containerd.Client, _ []string) (map[string]any, error) {
	start, blobs := time.Now(), 0
	err := client.ContentStore().Walk(ctx, func(content.Info) error {
		blobs++
		return nil
	})
	if err != nil {
		return nil, err
	}
	blobsMs := milliseconds(time.Since(start))
	start = time.Now()
	containers, err := client.ContainerService().List(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"blobs": blobs, "blobsMs": blobsMs,
		"containers": len(containers), "containersMs": milliseconds(time.Since(start)),
	}, nil
}
