package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/rest"
	basecompatibility "k8s.io/component-base/compatibility"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"github.com/spf13/pflag"
)

// The upstream API server, built from its own parts instead of its command: the command installs
// its own signal handler and leaves no place for the access log outside the handler chain.
// Source: kubernetes cmd/kube-apiserver/app/server.go, NewAPIServerCommand and Run.

// apiServer is ready to run; run returns after stop has been called, or on a failure.
type apiServer struct {
	run  func() error
	stop context.CancelFunc
}

// apiArguments are kube-apiserver's flags, relative to <data-dir>/server; k3s's values where they
// matter. Arguments of --kube-apiserver-arg come last and win.
func apiArguments(c *serverConfiguration, endpoints []string) []string {
	bind := c.bindAddress
	if bind == "" {
		bind = "0.0.0.0"
	}
	arguments := []string{
		"--etcd-servers=" + strings.Join(endpoints, ","),
		"--bind-address=" + bind,
		fmt.Sprintf("--secure-port=%d", c.port),
		"--advertise-address=" + c.advertiseAddress,
		"--tls-cert-file=tls/serving-kube-apiserver.crt",
		"--tls-private-key-file=tls/serving-kube-apiserver.key",
		"--client-ca-file=" + bootstrapPaths["ClientCA"],
		"--token-auth-file=cred/tokens.csv",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + bootstrapPaths["ServiceKey"],
		"--service-account-signing-key-file=" + bootstrapPaths["ServiceKey"],
		"--service-cluster-ip-range=" + c.serviceCIDR,
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--cert-dir=tls/temporary-certs",
		"--allow-privileged=true",
		"--profiling=false",
	}
	for _, argument := range c.apiserverArgs {
		arguments = append(arguments, "--"+strings.TrimPrefix(argument, "--"))
	}
	return arguments
}

func newAPIServer(
	ctx context.Context, arguments []string, access *accessLog, caFile []byte,
) (*apiServer, error) {
	settings := options.NewServerRunOptions()
	flags := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	sets := settings.Flags()
	for _, set := range sets.FlagSets {
		flags.AddFlagSet(set)
	}
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	registry := settings.GenericServerRunOptions.ComponentGlobalsRegistry
	if err := registry.Set(); err != nil {
		return nil, err
	}
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	gate := registry.FeatureGateFor(basecompatibility.DefaultKubeComponent)
	if err := logsapi.ValidateAndApply(settings.Logs, gate); err != nil {
		return nil, err
	}
	completed, err := settings.Complete(ctx)
	if err != nil {
		return nil, err
	}
	if problems := completed.Validate(); len(problems) != 0 {
		return nil, utilerrors.NewAggregate(problems)
	}
	configuration, err := app.NewConfig(completed)
	if err != nil {
		return nil, err
	}
	// The aggregator is the outermost of the three servers; its chain sees every request.
	generic := configuration.Aggregator.GenericConfig
	build := generic.BuildHandlerChainFunc
	generic.BuildHandlerChainFunc = func(h http.Handler, c *genericapiserver.Config) http.Handler {
		return access.wrap(build(h, c), caFile)
	}
	chain, err := configuration.Complete()
	if err != nil {
		return nil, err
	}
	server, err := app.CreateServerChain(chain)
	if err != nil {
		return nil, err
	}
	// Ordinary requests are drained before this counts. It is for open watches, which keep their
	// connection busy; the default waits 60 s for them.
	server.GenericAPIServer.ShutdownTimeout = 300 * time.Millisecond
	prepared, err := server.PrepareRun()
	if err != nil {
		return nil, err
	}
	serving, stop := context.WithCancel(context.Background())
	return &apiServer{run: func() error { return prepared.Run(serving) }, stop: stop}, nil
}
