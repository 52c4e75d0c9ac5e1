package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	contentapi "github.com/containerd/containerd/api/services/content/v1"
	containerd "github.com/containerd/containerd/v2/client"
	"github.com/opencontainers/go-digest"
)

// read takes a whole blob from one Read call and hashes it.
func read(ctx context.Context, client *containerd.Client, args []string) (map[string]any, error) {
	wanted := digest.Digest(args[0])
	stream, err := contentClient(client).Read(ctx, &contentapi.ReadContentRequest{Digest: args[0]})
	if err != nil {
		return nil, err
	}
	hash, size := sha256.New(), 0
	for {
		message, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		hash.Write(message.Data)
		size += len(message.Data)
	}
	if got := digest.NewDigest(digest.SHA256, hash); got != wanted {
		return nil, fmt.Errorf("read %s, got %s", wanted, got)
	}
	return map[string]any{"bytes": size}, nil
}
