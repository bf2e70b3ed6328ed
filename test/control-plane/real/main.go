package main

import (
	"context"
	"github.com/k3s-io/kine/pkg/endpoint"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"golang.org/x/crypto/pbkdf2"
	"gopkg.in/yaml.v3"
)

func main() {
	_ = pbkdf2.Key
	_ = yaml.Unmarshal
	_, _ = endpoint.Listen(context.Background(), endpoint.Config{})
	_ = app.NewAPIServerCommand()
}
