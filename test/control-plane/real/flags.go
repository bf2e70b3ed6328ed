package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The command line of k3s: which flags act, which are accepted and have nothing to act on here, and
// which would change what a test means and are refused. Anything else is an error, as on k3s.

type flagKind int

const (
	flagString flagKind = iota
	flagBool
	flagList
)

// actingFlags change what the stand-in does.
var actingFlags = map[string]flagKind{
	"config": flagString, "data-dir": flagString, "token": flagString, "token-file": flagString,
	"https-listen-port": flagString, "bind-address": flagString, "advertise-address": flagString,
	"node-ip": flagString, "node-name": flagString, "tls-san": flagList,
	"write-kubeconfig": flagString, "write-kubeconfig-mode": flagString,
	"service-cidr": flagString, "kube-apiserver-arg": flagList, "debug": flagBool,
	"server": flagString,
}

// idleFlags belong to parts of k3s that are absent here (kubelet, network, controllers).
var idleFlags = map[string]flagKind{
	"disable-agent": flagBool, "disable": flagList, "disable-scheduler": flagBool,
	"disable-controller-manager": flagBool, "disable-cloud-controller": flagBool,
	"disable-kube-proxy": flagBool, "disable-network-policy": flagBool,
	"disable-helm-controller": flagBool,
	"cluster-cidr":            flagString, "cluster-dns": flagString, "cluster-domain": flagString,
	"flannel-backend": flagString, "flannel-iface": flagString, "egress-selector-mode": flagString,
	"kube-controller-manager-arg": flagList, "kube-scheduler-arg": flagList, "kubelet-arg": flagList,
	"kube-proxy-arg": flagList, "node-label": flagList, "node-taint": flagList,
	"node-external-ip": flagString, "agent-token": flagString, "agent-token-file": flagString,
	"write-kubeconfig-group": flagString, "tls-san-security": flagBool, "snapshotter": flagString,
	"default-local-storage-path": flagString, "resolv-conf": flagString, "log": flagString,
	"alsologtostderr": flagBool, "v": flagString, "vmodule": flagString, "selinux": flagBool,
	"prefer-bundled-bin": flagBool, "protect-kernel-defaults": flagBool,
	"private-registry": flagString,
	"pause-image":      flagString, "with-node-id": flagBool, "docker": flagBool, "rootless": flagBool,
	"supervisor-metrics": flagBool, "embedded-registry": flagBool,
	"kube-cloud-controller-manager-arg": flagList, "service-node-port-range": flagString,
	"lb-server-port": flagString, "container-runtime-endpoint": flagString,
}

// agentFlags are what `k3s agent` knows of these. It ends at any other one, in its configuration
// file too, where the server only warns (pkg/cli/cmds/agent.go, pkg/configfilearg;
// k3s-io/k3s#6565).
var agentFlags = strings.Fields(`config debug v vmodule log alsologtostderr token token-file server
	data-dir bind-address node-name with-node-id node-label node-taint selinux lb-server-port
	protect-kernel-defaults container-runtime-endpoint pause-image snapshotter private-registry
	node-ip node-external-ip resolv-conf flannel-iface kubelet-arg kube-proxy-arg rootless
	prefer-bundled-bin docker`)

// refusedFlags exist on k3s; silently ignoring them would make a test mean something else.
var refusedFlags = map[string]string{
	"cluster-init": "embedded etcd", "cluster-reset": "embedded etcd",
	"etcd-snapshot-dir":  "embedded etcd",
	"datastore-endpoint": "a datastore other than SQLite", "secrets-encryption": "secrets encryption",
	"disable-apiserver": "a server without API", "disable-etcd": "embedded etcd",
}

var shortFlags = map[string]string{"-t": "token", "-s": "server", "-d": "data-dir", "-c": "config"}

// values holds what was given per flag, in order. A flag that takes one value keeps the last one.
type values map[string][]string

func (v values) last(name, fallback string) string {
	if given := v[name]; len(given) > 0 {
		return given[len(given)-1]
	}
	return fallback
}

// list flattens repeated flags and comma lists, and drops empty elements.
func (v values) list(name string) []string {
	var all []string
	for _, given := range v[name] {
		for _, element := range strings.Split(given, ",") {
			if element = strings.TrimSpace(element); element != "" {
				all = append(all, element)
			}
		}
	}
	return all
}

func kindOf(name string) (flagKind, error) {
	if kind, ok := actingFlags[name]; ok {
		return kind, nil
	}
	if kind, ok := idleFlags[name]; ok {
		return kind, nil
	}
	if what, ok := refusedFlags[name]; ok {
		return 0, fmt.Errorf("flag --%s: this stand-in does not provide %s", name, what)
	}
	return 0, fmt.Errorf("flag provided but not defined: --%s", name)
}

// parseFlags reads `--flag value`, `--flag=value` and k3s's short forms.
func parseFlags(args []string) (values, error) {
	given := values{}
	for i := 0; i < len(args); i++ {
		name, value, hasValue := strings.Cut(args[i], "=")
		if long, ok := shortFlags[name]; ok {
			name = long
		} else if strings.HasPrefix(name, "--") {
			name = name[2:]
		} else {
			return nil, fmt.Errorf("unexpected argument %q; flags start with --", args[i])
		}
		kind, err := kindOf(name)
		if err != nil {
			return nil, err
		}
		if kind == flagBool {
			if !hasValue {
				value = "true"
			} else if _, err := strconv.ParseBool(value); err != nil {
				return nil, fmt.Errorf("flag --%s: %q is neither true nor false", name, value)
			}
		} else if !hasValue {
			if i++; i >= len(args) {
				return nil, fmt.Errorf("flag needs an argument: --%s", name)
			}
			value = args[i]
		}
		given[name] = append(given[name], value)
	}
	return given, nil
}

// serverConfiguration is the checked outcome of flags, file and environment. Paths are absolute.
type serverConfiguration struct {
	dataDir          string
	token            string // as given, perhaps in K10 form; empty means "from server/token"
	port             int
	bindAddress      string // empty: all addresses
	advertiseAddress string // never a loopback address, see advertised
	nodeIP           string
	nodeName         string
	sans             []string
	kubeconfig       string
	kubeconfigMode   os.FileMode
	serviceCIDR      string
	apiserverArgs    []string
	debug            bool
	compactInterval  time.Duration
	compactMinRetain int64
	ignored          []string
}

type agentConfiguration struct{ server, nodeName string }

// resolveValues joins the configuration file and the command line; the latter wins per flag.
func resolveValues(args []string, getenv func(string) string) (values, error) {
	fromLine, err := parseFlags(args)
	if err != nil {
		return nil, err
	}
	path := fromLine.last("config", getenv("K3S_CONFIG_FILE"))
	fromFile, err := readConfigFiles(path, path != "")
	if err != nil {
		return nil, err
	}
	for name, given := range fromLine {
		fromFile[name] = given
	}
	return fromFile, nil
}

func parseServer(args []string, getenv func(string) string) (*serverConfiguration, error) {
	given, err := resolveValues(args, getenv)
	if err != nil {
		return nil, err
	}
	if server := given.last("server", ""); server != "" {
		return nil, fmt.Errorf("flag --server: this stand-in cannot join another server (got %q)", server)
	}
	hostname, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("cannot read the host name: %w", err)
	}
	namedNode := orElse(getenv("K3S_NODE_NAME"), hostname)
	configuration := &serverConfiguration{
		bindAddress:   given.last("bind-address", ""),
		nodeIP:        firstOf(given.list("node-ip")),
		nodeName:      strings.ToLower(given.last("node-name", namedNode)),
		sans:          given.list("tls-san"),
		serviceCIDR:   given.last("service-cidr", "10.43.0.0/16"),
		apiserverArgs: given["kube-apiserver-arg"],
		debug:         given.last("debug", "false") == "true",
	}
	for name := range given {
		if _, idle := idleFlags[name]; idle {
			configuration.ignored = append(configuration.ignored, name)
		}
	}
	if configuration.dataDir, err = filepath.Abs(given.last("data-dir",
		orElse(getenv("K3S_DATA_DIR"), "/var/lib/rancher/k3s"))); err != nil {
		return nil, err
	}
	if configuration.token, err = resolveToken(given, getenv); err != nil {
		return nil, err
	}
	if configuration.port, err = strconv.Atoi(given.last("https-listen-port", "6443")); err != nil ||
		configuration.port < 1 || configuration.port > 65535 {
		return nil, fmt.Errorf("flag --https-listen-port: %q is not a port",
			given.last("https-listen-port", ""))
	}
	if err := configuration.resolveKubeconfig(given, getenv); err != nil {
		return nil, err
	}
	if err := configuration.resolveAddresses(given); err != nil {
		return nil, err
	}
	return configuration, configuration.resolveCompaction(getenv)
}

// resolveToken has k3s's precedence: flag, then K3S_TOKEN, then the file of either. Of a flag and
// the configuration file the flag has won already.
func resolveToken(given values, getenv func(string) string) (string, error) {
	if token := given.last("token", getenv("K3S_TOKEN")); token != "" {
		return token, nil
	}
	path := given.last("token-file", getenv("K3S_TOKEN_FILE"))
	if path == "" {
		return "", nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("flag --token-file: %w", err)
	}
	token := strings.TrimSpace(string(content))
	if token == "" {
		return "", fmt.Errorf("flag --token-file: %s is empty", path)
	}
	return token, nil
}

func (c *serverConfiguration) resolveKubeconfig(given values, getenv func(string) string) error {
	mode := given.last("write-kubeconfig-mode", orElse(getenv("K3S_KUBECONFIG_MODE"), "0600"))
	bits, err := strconv.ParseUint(mode, 8, 9)
	if err != nil {
		return fmt.Errorf("flag --write-kubeconfig-mode: %q is not an octal file mode", mode)
	}
	c.kubeconfigMode = os.FileMode(bits)
	path := given.last("write-kubeconfig", getenv("K3S_KUBECONFIG_OUTPUT"))
	if path != "" {
		c.kubeconfig, err = filepath.Abs(path)
	}
	return err
}

func (c *serverConfiguration) resolveAddresses(given values) error {
	for name, address := range map[string]string{"bind-address": c.bindAddress, "node-ip": c.nodeIP,
		"advertise-address": given.last("advertise-address", "")} {
		if address != "" && net.ParseIP(address) == nil {
			return fmt.Errorf("flag --%s: %q is not an IP address", name, address)
		}
	}
	c.advertiseAddress = advertised(given.last("advertise-address", ""), c.nodeIP, c.bindAddress)
	return nil
}

// resolveCompaction reads the two hidden settings that let a test see compactions within seconds.
func (c *serverConfiguration) resolveCompaction(getenv func(string) string) error {
	var err error
	interval := orElse(getenv("BATON_TEST_COMPACT_INTERVAL"), "5m")
	if c.compactInterval, err = time.ParseDuration(interval); err != nil || c.compactInterval <= 0 {
		return fmt.Errorf("BATON_TEST_COMPACT_INTERVAL: %q is not a positive duration such as 2s",
			interval)
	}
	retain := orElse(getenv("BATON_TEST_COMPACT_MIN_RETAIN"), "1000")
	c.compactMinRetain, err = strconv.ParseInt(retain, 10, 64)
	if err != nil || c.compactMinRetain < 1 {
		return fmt.Errorf("BATON_TEST_COMPACT_MIN_RETAIN: %q is not a positive number", retain)
	}
	return nil
}

// advertised picks the address written to the kubernetes Endpoints and /registry/masterleases.
// The API refuses loopback addresses there, and servers of a test on one machine differ only in
// 127.0.0.x; so 127.a.b.x becomes 192.0.2.x (RFC 5737), which is data and never contacted.
func advertised(candidates ...string) string {
	last := byte(1)
	for _, candidate := range candidates {
		ip := net.ParseIP(candidate)
		if ip == nil || ip.IsUnspecified() {
			continue
		}
		if !ip.IsLoopback() {
			return ip.String()
		}
		if v4 := ip.To4(); v4 != nil {
			last = v4[3]
		}
		break
	}
	return net.IPv4(192, 0, 2, last).String()
}

func parseAgent(args []string, getenv func(string) string) (*agentConfiguration, error) {
	given, err := resolveValues(args, getenv)
	if err != nil {
		return nil, err
	}
	for name := range given {
		if !slices.Contains(agentFlags, name) {
			return nil, fmt.Errorf("flag provided but not defined: --%s", name)
		}
	}
	token, err := resolveToken(given, getenv)
	if err != nil {
		return nil, err
	}
	server := given.last("server", getenv("K3S_URL"))
	if server == "" {
		return nil, fmt.Errorf("--server is required")
	}
	if token == "" {
		return nil, fmt.Errorf("--token is required")
	}
	hostname, err := os.Hostname()
	return &agentConfiguration{server: server, nodeName: given.last("node-name", hostname)}, err
}

func orElse(value, fallback string) string {
	if value != "" {
		return value
	}
	return fallback
}

func firstOf(list []string) string {
	if len(list) > 0 {
		return list[0]
	}
	return ""
}
