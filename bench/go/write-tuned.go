package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"

	contentapi "github.com/containerd/containerd/api/services/content/v1"
	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/leases"
)

const (
	chunkBytes   = 1 << 20
	mostInFlight = 4
	ref          = "bench-go-tuned"
)

// writeTuned stores a file by a Write call of its own: messages of 1 MiB, four of them ahead of their answers.
func writeTuned(ctx context.Context, client *containerd.Client, args []string) (map[string]any, error) {
	file, err := os.Open(args[0])
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(leases.WithLease(ctx, args[3]))
	defer cancel()
	stream, err := contentClient(client).Write(ctx)
	if err != nil {
		return nil, err
	}
	answers, free := make(chan error, 1), make(chan struct{}, mostInFlight)
	go func() { answers <- receive(stream, free, size, args[1]) }()
	for offset := int64(0); offset < size; {
		chunk := make([]byte, chunkBytes)
		n, err := io.ReadFull(file, chunk)
		if err != nil && err != io.ErrUnexpectedEOF {
			return nil, err
		}
		select {
		case free <- struct{}{}:
		case err := <-answers:
			return nil, err
		}
		message := &contentapi.WriteContentRequest{Action: contentapi.WriteAction_WRITE, Ref: ref, Offset: offset, Data: chunk[:n]}
		if err := stream.Send(message); err != nil {
			return nil, err
		}
		offset += int64(n)
	}
	commit := &contentapi.WriteContentRequest{
		Action: contentapi.WriteAction_COMMIT, Ref: ref, Offset: size, Total: size, Expected: args[1],
	}
	if err := stream.Send(commit); err != nil {
		return nil, err
	}
	if err := <-answers; err != nil {
		return nil, err
	}
	return map[string]any{"bytes": size}, stream.CloseSend()
}

func receive(stream contentapi.Content_WriteClient, free <-chan struct{}, size int64, expected string) error {
	for {
		answer, err := stream.Recv()
		if err != nil {
			return err
		}
		if answer.Action == contentapi.WriteAction_COMMIT {
			if answer.Offset != size || answer.Digest != expected {
				return fmt.Errorf("the daemon stored %d bytes as %s", answer.Offset, answer.Digest)
			}
			return nil
		}
		<-free
	}
}
