package main

import (
	"context"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/images"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// walk visits everything below an image.
func walk(ctx context.Context, client *containerd.Client, args []string) (map[string]any, error) {
	image, err := client.ImageService().Get(ctx, args[0])
	if err != nil {
		return nil, err
	}
	visited := 0
	count := images.HandlerFunc(func(context.Context, ocispec.Descriptor) ([]ocispec.Descriptor, error) {
		visited++
		return nil, nil
	})
	handler := images.Handlers(count, images.ChildrenHandler(client.ContentStore()))
	if err := images.Walk(ctx, handler, image.Target); err != nil {
		return nil, err
	}
	return map[string]any{"visited": visited}, nil
}
