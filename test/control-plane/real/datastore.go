package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/k3s-io/kine/pkg/client"
	"github.com/k3s-io/kine/pkg/endpoint"
)

// datastore is kine in this process, on server/db/state.db, with the settings of k3s.
type datastore struct {
	client    client.Client
	endpoints []string
	cancel    context.CancelFunc
	running   sync.WaitGroup
}

// openDatastore moves the process into <data-dir>/server, as k3s does: kine's default paths are
// relative, and a relative socket path cannot outgrow the 107 bytes that a socket address has.
func openDatastore(c *serverConfiguration, directory string) (*datastore, error) {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, err
	}
	if err := os.Chdir(directory); err != nil {
		return nil, err
	}
	// kine itself makes db/ only for an empty endpoint; an explicit one is stated for the reader.
	if err := os.MkdirAll(filepath.Join(directory, "db"), 0o700); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	store := &datastore{cancel: cancel}
	settings, err := endpoint.Listen(ctx, endpoint.Config{
		Endpoint:            "sqlite://",
		Listener:            endpoint.KineSocket,
		WaitGroup:           &store.running,
		NotifyInterval:      5 * time.Second,
		CompactInterval:     c.compactInterval,
		CompactTimeout:      5 * time.Second,
		CompactMinRetain:    c.compactMinRetain,
		CompactBatchSize:    1000,
		PollBatchSize:       500,
		EmulatedETCDVersion: "3.6.6",
	})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("cannot start the datastore: %w", err)
	}
	store.endpoints = settings.Endpoints
	if store.client, err = client.New(settings); err != nil {
		cancel()
		return nil, fmt.Errorf("cannot reach the datastore: %w", err)
	}
	return store, nil
}

// close stops kine and waits for it to close the database, for at most `limit`.
func (d *datastore) close(limit time.Duration) bool {
	_ = d.client.Close()
	d.cancel()
	stopped := make(chan struct{})
	go func() {
		d.running.Wait()
		close(stopped)
	}()
	select {
	case <-stopped:
		return true
	case <-time.After(limit):
		return false
	}
}
