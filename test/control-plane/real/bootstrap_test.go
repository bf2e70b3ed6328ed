package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// madeDirectory has every bootstrap file on disk, and their content in k3s's JSON form.
func madeDirectory(t *testing.T) (string, []byte) {
	t.Helper()
	directory := t.TempDir()
	if err := makeMissing(directory, "password"); err != nil {
		t.Fatal(err)
	}
	files := map[string]bootstrapFile{}
	for name, relative := range bootstrapPaths {
		content, err := os.ReadFile(filepath.Join(directory, relative))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = bootstrapFile{Timestamp: time.Now(), Content: content}
	}
	data, err := json.Marshal(files)
	if err != nil {
		t.Fatal(err)
	}
	return directory, data
}

func TestReconcileRestoresMissingFiles(t *testing.T) {
	from, data := madeDirectory(t)
	to := t.TempDir()
	if err := reconcile(to, data); err != nil {
		t.Fatal(err)
	}
	for _, relative := range bootstrapPaths {
		want, _ := os.ReadFile(filepath.Join(from, relative))
		got, err := os.ReadFile(filepath.Join(to, relative))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s was not restored: %v", relative, err)
		}
	}
	fromToken, err := adminToken(from)
	if err != nil {
		t.Fatal(err)
	}
	if toToken, err := adminToken(to); err != nil || toToken != fromToken {
		t.Errorf("administrator's token %q, %v; want %q", toToken, err, fromToken)
	}
}

func TestReconcileRefusesNewerFilesAndReplacesOlder(t *testing.T) {
	directory, data := madeDirectory(t)
	path := filepath.Join(directory, bootstrapPaths["ServerCA"])
	for offset, refused := range map[time.Duration]bool{time.Hour: true, -time.Hour: false} {
		if err := os.WriteFile(path, []byte("other"), 0o600); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(offset)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
		err := reconcile(directory, data)
		content, readErr := os.ReadFile(path)
		if readErr != nil {
			t.Fatal(readErr)
		}
		refusal := path + " newer than datastore and could cause"
		if refused && (err == nil || !strings.Contains(err.Error(), refusal) ||
			string(content) != "other") {
			t.Errorf("newer file: error %v, content %q", err, content)
		}
		if !refused && (err != nil || string(content) == "other") {
			t.Errorf("older file: error %v, content %q", err, content)
		}
	}
}
