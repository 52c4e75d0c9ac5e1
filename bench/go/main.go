// The Go half of the bench: each subcommand does what the program of the same name in bench/programs does, on the Go
// client, and prints what it measured as one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/namespaces"
)

type operation func(ctx context.Context, client *containerd.Client, args []string) (map[string]any, error)

var operations = map[string]operation{
	"call":        call,
	"list":        list,
	"read":        read,
	"small-calls": smallCalls,
	"small-blobs": smallBlobs,
	"walk":        walk,
	"write":       write,
	"write-tuned": writeTuned,
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 || operations[args[0]] == nil {
		return fmt.Errorf("expected OPERATION ADDRESS NAMESPACE ARGUMENT..., got %q", args)
	}
	client, err := containerd.New(args[1])
	if err != nil {
		return err
	}
	defer client.Close()
	ctx := namespaces.WithNamespace(context.Background(), args[2])
	// The connection is there before the clock runs, here as in the other half.
	if _, err := client.Version(ctx); err != nil {
		return err
	}
	before := resident("VmRSS")
	start := time.Now()
	measured, err := operations[args[0]](ctx, client, args[3:])
	if err != nil {
		return err
	}
	if _, timed := measured["ms"]; !timed {
		measured["ms"] = milliseconds(time.Since(start))
	}
	measured["grownMiB"] = resident("VmHWM") - before
	return json.NewEncoder(os.Stdout).Encode(measured)
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}
