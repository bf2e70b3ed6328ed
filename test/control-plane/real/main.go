// Command baton-k3s is a stand-in for k3s in tests: kine (k3s's own SQLite datastore) and the
// upstream kube-apiserver in one process, behind k3s's command line.
//
// It does not run a scheduler, controllers, a kubelet, a supervisor port or embedded etcd. What it
// shares with k3s is what a failover depends on: the datastore and its revisions, the bootstrap
// data encrypted with the token, the files under server/, and the order of stopping.
//
// Sources: k3s pkg/cluster (storage.go, bootstrap.go, encrypt.go), pkg/clientaccess/token.go,
// pkg/daemons/control/deps; kine pkg/endpoint; kubernetes cmd/kube-apiserver/app.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/sirupsen/logrus"
)

const (
	kubernetesVersion = "v1.35.4"
	kineVersion       = "v0.16.4"
	usageText         = `usage: baton-k3s server [flags] | agent [flags] | --version
A stand-in for k3s in tests (kine + kube-apiserver). Flags are those of k3s; see README.md.`
)

// versionText has k3s's own two lines, so that whatever parses k3s's answer parses this one; the
// build part of the version names the stand-in.
func versionText() string {
	return fmt.Sprintf("k3s version %s+baton-real "+
		"(stand-in for tests: kine %s, kube-apiserver %s)\ngo version %s\n",
		kubernetesVersion, kineVersion, kubernetesVersion, runtime.Version())
}

func main() {
	logrus.SetOutput(os.Stderr)
	logrus.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: true,
		TimestampFormat: "2006-01-02T15:04:05.000000Z07:00"})
	if err := dispatch(os.Args[1:], os.Getenv); err != nil {
		logrus.Fatal(err) // exits with status 1, as k3s does
	}
}

func dispatch(args []string, getenv func(string) string) error {
	if len(args) == 0 {
		return fmt.Errorf("no command given\n%s", usageText)
	}
	switch args[0] {
	case "--version", "-v", "version":
		fmt.Print(versionText())
		return nil
	case "--help", "-h", "help":
		fmt.Println(usageText)
		return nil
	case "server":
		configuration, err := parseServer(args[1:], getenv)
		if err != nil {
			return err
		}
		return untilSignal(func(ctx context.Context) error { return runServer(ctx, configuration) })
	case "agent":
		configuration, err := parseAgent(args[1:], getenv)
		if err != nil {
			return err
		}
		return untilSignal(func(ctx context.Context) error { return runAgent(ctx, configuration) })
	}
	return fmt.Errorf("unknown command %q\n%s", args[0], usageText)
}

// untilSignal runs until SIGTERM or SIGINT cancels the context; a second signal exits at once.
func untilSignal(run func(context.Context) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		logrus.Infof("Received %s, shutting down", <-signals)
		cancel()
		logrus.Errorf("Received %s again, exiting at once", <-signals)
		os.Exit(1)
	}()
	return run(ctx)
}
