package main

import (
	contentapi "github.com/containerd/containerd/api/services/content/v1"
	containerd "github.com/containerd/containerd/v2/client"
	"google.golang.org/grpc"
)

// contentClient gives the calls themselves, below the Go client's own store.
func contentClient(client *containerd.Client) contentapi.ContentClient {
	return contentapi.NewContentClient(client.Conn().(grpc.ClientConnInterface))
}
