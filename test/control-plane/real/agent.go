package main

import (
	"context"
	"crypto/tls"
	"net/http"
	"time"

	"github.com/sirupsen/logrus"
)

// askEvery is how often k3s's agent looks for a server.
const askEvery = 2 * time.Second

// runAgent stays up as k3s's agent would, and does nothing else: no kubelet, no load balancer. As
// k3s's agent it tells the service manager that it is ready only once a server's API is (k3s
// pkg/agent/run.go): until then its unit is "activating", for ever where there is no server.
func runAgent(ctx context.Context, configuration *agentConfiguration) error {
	logrus.Infof("Starting k3s agent %s+baton-real (stand-in, runs no pods) node=%s server=%s",
		kubernetesVersion, configuration.nodeName, configuration.server)
	for !isReady(ctx, configuration.server) {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(askEvery):
		}
	}
	logrus.Info("k3s agent is up and running")
	notifySystemd("READY=1\nSTATUS=stand-in agent, follows " + configuration.server)
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			logrus.Infof("Agent is up, follows %s", configuration.server)
		}
	}
}

// isReady asks for readiness. The certificate is not looked at: nothing is told to the server.
func isReady(ctx context.Context, server string) bool {
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives: true,
	}
	asker := &http.Client{Timeout: askEvery, Transport: transport}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/readyz", nil)
	if err != nil {
		return false
	}
	answer, err := asker.Do(request)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}
