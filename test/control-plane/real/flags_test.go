package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func environment(entries map[string]string) func(string) string {
	return func(name string) string { return entries[name] }
}

func mustWrite(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestServerFlagsInBothForms(t *testing.T) {
	got, err := parseServer([]string{"--data-dir=/d", "--token", "t", "--https-listen-port=7443",
		"--bind-address", "127.0.0.3", "--tls-san", "a,b", "--tls-san=c", "--disable-agent",
		"--disable", "traefik",
		"--node-name=N1", "--debug=false"}, environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := &serverConfiguration{dataDir: "/d", token: "t", port: 7443, bindAddress: "127.0.0.3",
		advertiseAddress: "192.0.2.3", nodeName: "n1", sans: []string{"a", "b", "c"},
		kubeconfigMode: 0o600, serviceCIDR: "10.43.0.0/16", compactInterval: 5 * time.Minute,
		compactMinRetain: 1000}
	got.ignored = nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestConfigurationFileYieldsToTheCommandLine(t *testing.T) {
	folder := t.TempDir()
	file := mustWrite(t, filepath.Join(folder, "config.yaml"),
		"token: from-file\ntls-san:\n- a\nhttps-listen-port: 7000\n")
	mustWrite(t, file+".d/10.yaml", "tls-san+: [b]\nnode-name: dropin\n")
	got, err := parseServer([]string{"--config", file, "--token=line"},
		environment(map[string]string{"K3S_TOKEN": "env"}))
	if err != nil {
		t.Fatal(err)
	}
	if got.token != "line" || got.port != 7000 || got.nodeName != "dropin" ||
		strings.Join(got.sans, " ") != "a b" {
		t.Errorf("got %+v", got)
	}
}

func TestTokenSources(t *testing.T) {
	file := mustWrite(t, filepath.Join(t.TempDir(), "token"), "filed\n")
	for name, test := range map[string]struct {
		args  []string
		env   map[string]string
		token string
	}{
		"environment":       {nil, map[string]string{"K3S_TOKEN": "env"}, "env"},
		"flag wins":         {[]string{"--token=flag"}, map[string]string{"K3S_TOKEN": "env"}, "flag"},
		"short form":        {[]string{"-t", "flag"}, nil, "flag"},
		"file":              {[]string{"--token-file", file}, nil, "filed"},
		"file, environment": {nil, map[string]string{"K3S_TOKEN_FILE": file}, "filed"},
		"none":              {nil, nil, ""},
	} {
		args := append([]string{"--data-dir=/d"}, test.args...)
		if got, err := parseServer(args, environment(test.env)); err != nil || got.token != test.token {
			t.Errorf("%s: got %+v, %v; want token %q", name, got, err, test.token)
		}
	}
}

func TestBadServerFlags(t *testing.T) {
	bad := mustWrite(t, filepath.Join(t.TempDir(), "bad.yaml"), "no-such-key: 1\n")
	for message, args := range map[string][]string{
		"not defined: --bogus":      {"--bogus"},
		"needs an argument":         {"--token"},
		"unexpected argument":       {"stray"},
		"is not a port":             {"--https-listen-port=0"},
		"neither true nor false":    {"--debug=maybe"},
		"--bind-address":            {"--bind-address=localhost"},
		"cannot join":               {"--server=https://x:6443"},
		"embedded etcd":             {"--cluster-init"},
		"not defined: --no-such":    {"--config", bad},
		"no such file":              {"--config=/nonexistent/c.yaml"},
		"token-file":                {"--token-file=/nonexistent/t"},
		"is not an octal file mode": {"--write-kubeconfig-mode=9"},
	} {
		_, err := parseServer(args, environment(nil))
		if err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%v: error %v, want one with %q", args, err, message)
		}
	}
	for name, value := range map[string]string{
		"BATON_TEST_COMPACT_INTERVAL":   "soon",
		"BATON_TEST_COMPACT_MIN_RETAIN": "0",
	} {
		if _, err := parseServer(nil, environment(map[string]string{name: value})); err == nil ||
			!strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: error %v", name, value, err)
		}
	}
}

func TestAdvertisedIsNeverLoopback(t *testing.T) {
	for want, candidates := range map[string][]string{
		"10.0.0.7":  {"", "10.0.0.7", "127.0.0.2"},
		"192.0.2.9": {"127.0.0.9", "10.0.0.7"},
		"192.0.2.1": {"", "", "0.0.0.0"},
	} {
		if got := advertised(candidates...); got != want {
			t.Errorf("advertised(%v) = %s, want %s", candidates, got, want)
		}
	}
}

func TestAgentNeedsServerAndToken(t *testing.T) {
	if _, err := parseAgent([]string{"--token=t"}, environment(nil)); err == nil {
		t.Error("no server: want an error")
	}
	if _, err := parseAgent(nil, environment(map[string]string{"K3S_URL": "https://x"})); err == nil {
		t.Error("no token: want an error")
	}
	args := []string{"--server", "https://x", "--token=t", "--node-name=n"}
	got, err := parseAgent(args, environment(nil))
	if err != nil || *got != (agentConfiguration{server: "https://x", nodeName: "n"}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAgentEndsAtFlagsOfServers(t *testing.T) {
	file := mustWrite(t, filepath.Join(t.TempDir(), "config.yaml"), "tls-san: [baton-api]\n")
	args := []string{"--server", "https://x", "--token=t", "--config", file}
	if _, err := parseAgent(args, environment(nil)); err == nil ||
		!strings.Contains(err.Error(), "not defined: --tls-san") {
		t.Errorf("got %v", err)
	}
}

func FuzzParseFlags(f *testing.F) {
	f.Add("--token\x00a\x00--tls-san=b,c")
	f.Add("-t\x00x\x00--debug=1")
	f.Fuzz(func(t *testing.T, line string) {
		given, err := parseFlags(strings.Split(line, "\x00"))
		for name := range given {
			if _, unknown := kindOf(name); unknown != nil && err == nil {
				t.Errorf("%q was accepted with unknown flag %q", line, name)
			}
		}
	})
}
