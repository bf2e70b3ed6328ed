package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	netutils "k8s.io/utils/net"
)

// A server's life: datastore, bootstrap data, API server; and back in reverse on SIGTERM, because
// an API server whose datastore goes first waits for it for minutes.

const (
	// Together below 5 s, the bar for SIGTERM. Every acknowledged write is in SQLite already, so
	// running into a limit loses nothing but politeness.
	apiStopLimit   = 2300 * time.Millisecond
	storeStopLimit = 2300 * time.Millisecond // kine itself gives its clients 2 s

	startupGCPercent = 400
)

func runServer(ctx context.Context, c *serverConfiguration) error {
	started := time.Now()
	relaxCollector()
	if c.debug {
		logrus.SetLevel(logrus.DebugLevel)
	}
	logrus.Infof("Starting k3s %s+baton-real (stand-in: kine %s, kube-apiserver) node=%s data=%s",
		kubernetesVersion, kineVersion, c.nodeName, c.dataDir)
	if len(c.ignored) > 0 {
		slices.Sort(c.ignored)
		logrus.Infof("Accepted without effect in this stand-in: %s", strings.Join(c.ignored, ", "))
	}
	// A taken port is found out before anything is written.
	if err := probePort(c); err != nil {
		return err
	}
	directory := filepath.Join(c.dataDir, "server")
	store, err := openDatastore(c, directory)
	if err != nil {
		return err
	}
	err = serve(ctx, c, directory, store, started)
	if !store.close(storeStopLimit) {
		logrus.Warnf("The datastore did not stop within %s", storeStopLimit)
	}
	if ctx.Err() != nil {
		if err != nil {
			logrus.Infof("Start given up: %v", err)
		}
		err = nil
	}
	if err == nil {
		logrus.Info("Shutdown complete")
	}
	return err
}

// relaxCollector collects garbage less often until the server is ready. Building the API server
// allocates much and frees little: a third of the processor time of a start went into collecting.
func relaxCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(startupGCPercent)
	}
}

// restoreCollector returns to Go's default and gives back what the start left behind, so that
// memory at rest is as k3s's would be.
func restoreCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(100)
		debug.FreeOSMemory()
	}
}

func probePort(c *serverConfiguration) error {
	listener, err := net.Listen("tcp", net.JoinHostPort(c.bindAddress, fmt.Sprint(c.port)))
	if err != nil {
		return fmt.Errorf("cannot listen on the API port: %w", err)
	}
	return listener.Close()
}

func serve(
	ctx context.Context, c *serverConfiguration, directory string, store *datastore,
	started time.Time,
) error {
	password, unsaved, err := loadBootstrap(ctx, store.client, directory, c.token)
	if err != nil {
		return fmt.Errorf("starting kubernetes: preparing server: %w", err)
	}
	if err := makeMissing(directory, password); err != nil {
		return fmt.Errorf("cannot create keys: %w", err)
	}
	caFile, err := writeDerived(c, directory, password)
	if err != nil {
		return fmt.Errorf("cannot prepare server files: %w", err)
	}
	if unsaved {
		if err := saveBootstrap(ctx, store.client, directory, password); err != nil {
			return err
		}
	}
	access, err := openAccessLog(filepath.Join(directory, "access.log"))
	if err != nil {
		return err
	}
	api, err := newAPIServer(ctx, apiArguments(c, store.endpoints), access, caFile)
	if err != nil {
		return fmt.Errorf("cannot build the API server: %w", err)
	}
	return runAPI(ctx, c, api, caFile, started)
}

// runAPI serves until the context ends or the API server fails on its own. It stops politely only
// once it was ready: several of the API server's start-up hooks end the process with a failure
// status when they are cancelled half-way.
func runAPI(
	ctx context.Context, c *serverConfiguration, api *apiServer, caFile []byte, started time.Time,
) error {
	finished := make(chan error, 1)
	ready := make(chan struct{})
	go func() { finished <- api.run() }()
	go announceReady(ctx, c, caFile, started, ready)
	select {
	case err := <-finished:
		return fmt.Errorf("the API server ended unasked: %w", orUnknown(err))
	case <-ctx.Done():
	}
	notifySystemd("STOPPING=1")
	select {
	case <-ready:
	default:
		logrus.Info("Stopped before the API server was ready")
		return nil
	}
	stopping := time.Now()
	api.stop()
	select {
	case err := <-finished:
		logrus.Infof("API server stopped in %s", time.Since(stopping).Round(time.Millisecond))
		return err
	case <-time.After(apiStopLimit):
		logrus.Warnf("The API server did not stop within %s", apiStopLimit)
		return nil
	}
}

func orUnknown(err error) error {
	if err == nil {
		return fmt.Errorf("no reason given")
	}
	return err
}

// announceReady asks /readyz as a client would, and tells the service manager at the first 200.
func announceReady(
	ctx context.Context, c *serverConfiguration, caFile []byte, started time.Time,
	ready chan<- struct{},
) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(caFile)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}
	asker := &http.Client{Timeout: time.Second, Transport: transport}
	for ctx.Err() == nil {
		answer, err := asker.Get(serverURL(c) + "/readyz")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				took := time.Since(started).Round(time.Millisecond)
				logrus.Infof("k3s is up and running (ready %s after start)", took)
				close(ready)
				notifySystemd("READY=1")
				restoreCollector()
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// serverURL is where this machine reaches the API.
func serverURL(c *serverConfiguration) string {
	host := c.bindAddress
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "https://" + net.JoinHostPort(host, fmt.Sprint(c.port))
}

// writeDerived makes everything that follows from the bootstrap data: certificates, the token file,
// credentials of the administrator. It returns the CA certificate file.
func writeDerived(c *serverConfiguration, directory, password string) ([]byte, error) {
	serverCA, err := loadAuthority(directory, "ServerCA")
	if err != nil {
		return nil, err
	}
	clientCA, err := loadAuthority(directory, "ClientCA")
	if err != nil {
		return nil, err
	}
	_, network, err := net.ParseCIDR(c.serviceCIDR)
	if err != nil {
		return nil, fmt.Errorf("flag --service-cidr: %w", err)
	}
	serviceIP, err := netutils.GetIndexedIP(network, 1)
	if err != nil {
		return nil, fmt.Errorf("flag --service-cidr: %w", err)
	}
	in := func(name string) string { return filepath.Join(directory, name) }
	if err := serverCA.issue(in("tls/serving-kube-apiserver"), leaf{
		subject: pkix.Name{CommonName: "kube-apiserver"},
		names:   servingNames(c, serviceIP),
	}); err != nil {
		return nil, err
	}
	admin := pkix.Name{CommonName: "system:admin", Organization: []string{"system:masters"}}
	if err := clientCA.issue(in("tls/client-admin"), leaf{subject: admin}); err != nil {
		return nil, err
	}
	bearer, err := adminToken(directory)
	if err != nil {
		return nil, err
	}
	for name, content := range map[string]string{
		"token":            formatToken(password, serverCA.pem) + "\n",
		"cred/admin.token": bearer + "\n",
		"cred/tokens.csv":  bearer + `,baton-admin,baton-admin,"system:masters"` + "\n",
	} {
		if err := writePrivate(in(name), []byte(content)); err != nil {
			return nil, err
		}
	}
	if !exists(in("node-token")) {
		if err := os.Symlink("token", in("node-token")); err != nil && !os.IsExist(err) {
			return nil, err
		}
	}
	return serverCA.pem, writeKubeconfigs(c, directory, serverCA.pem)
}

func writeKubeconfigs(c *serverConfiguration, directory string, caFile []byte) error {
	var encoded [2]string
	for i, suffix := range []string{".crt", ".key"} {
		content, err := os.ReadFile(filepath.Join(directory, "tls/client-admin"+suffix))
		if err != nil {
			return err
		}
		encoded[i] = base64.StdEncoding.EncodeToString(content)
	}
	content := fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: default
  cluster:
    server: %s
    certificate-authority-data: %s
contexts:
- name: default
  context: {cluster: default, user: default}
current-context: default
users:
- name: default
  user:
    client-certificate-data: %s
    client-key-data: %s
`, serverURL(c), base64.StdEncoding.EncodeToString(caFile), encoded[0], encoded[1])
	err := writePrivate(filepath.Join(directory, "cred/admin.kubeconfig"), content)
	if err != nil || c.kubeconfig == "" {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(c.kubeconfig), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(c.kubeconfig, content, c.kubeconfigMode); err != nil {
		return err
	}
	return os.Chmod(c.kubeconfig, c.kubeconfigMode)
}
