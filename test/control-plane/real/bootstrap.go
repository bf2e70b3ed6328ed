package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/k3s-io/kine/pkg/client"
	"github.com/sirupsen/logrus"
)

// The bootstrap data: what makes two servers the same cluster (CAs, service-account key,
// passwords), kept in the datastore under the token and copied to disk where missing.
// Source: k3s pkg/cluster/storage.go, bootstrap.go and pkg/bootstrap/bootstrap.go.

// bootstrapPaths are k3s's names and places, relative to <data-dir>/server. k3s also has
// EncryptionConfig and EncryptionHash, present only with secrets encryption.
var bootstrapPaths = map[string]string{
	"ServerCA": "tls/server-ca.crt", "ServerCAKey": "tls/server-ca.key",
	"ClientCA": "tls/client-ca.crt", "ClientCAKey": "tls/client-ca.key",
	"RequestHeaderCA": "tls/request-header-ca.crt", "RequestHeaderCAKey": "tls/request-header-ca.key",
	"ETCDServerCA": "tls/etcd/server-ca.crt", "ETCDServerCAKey": "tls/etcd/server-ca.key",
	"ETCDPeerCA": "tls/etcd/peer-ca.crt", "ETCDPeerCAKey": "tls/etcd/peer-ca.key",
	"ServiceKey": "tls/service.key", "PasswdFile": "cred/passwd", "IPSECKey": "cred/ipsec.psk",
}

// bootstrapFile is k3s's JSON form; Content is base64 in JSON.
type bootstrapFile struct {
	Timestamp time.Time
	Content   []byte
}

// systemTimeSkew in seconds: how much newer than the datastore's copy a differing file may be.
const systemTimeSkew = 3

var (
	errDifferentToken = errors.New("bootstrap data already found and encrypted with different token")
	errNoToken        = errors.New("no token was given and server/token is missing, " +
		"but the datastore has bootstrap data")
)

// loadBootstrap brings the datastore's bootstrap data to disk, and returns the password and whether
// the data still has to be saved (first start). `directory` is <data-dir>/server.
func loadBootstrap(
	ctx context.Context, store client.Client, directory, token string,
) (string, bool, error) {
	rows, err := store.List(ctx, "/bootstrap", 0)
	if err != nil {
		return "", false, fmt.Errorf("cannot read bootstrap data: %w", err)
	}
	if token == "" {
		if token, err = readToken(directory); err != nil {
			return "", false, err
		}
	}
	if token == "" {
		if len(rows) > 0 {
			return "", false, fmt.Errorf("%w: %w", errNoToken, errDifferentToken)
		}
		return passwordFromPasswd(directory), true, nil
	}
	password, err := normalizeToken(token)
	if err != nil || len(rows) == 0 {
		return password, true, err
	}
	key := storageKey(password)
	for _, row := range rows {
		if string(row.Key) != key {
			continue
		}
		data, err := decrypt(password, row.Data)
		if err != nil {
			return "", false, fmt.Errorf("cannot decrypt bootstrap data at %s: %w", key, err)
		}
		return password, false, reconcile(directory, data)
	}
	return "", false, errDifferentToken
}

func readToken(directory string) (string, error) {
	content, err := os.ReadFile(filepath.Join(directory, "token"))
	if os.IsNotExist(err) {
		return "", nil
	}
	return strings.TrimRight(string(content), "\n"), err
}

// passwordFromPasswd keeps the password of a first start that ended before it was saved.
func passwordFromPasswd(directory string) string {
	content, err := os.ReadFile(filepath.Join(directory, bootstrapPaths["PasswdFile"]))
	if err == nil {
		for _, line := range strings.Split(string(content), "\n") {
			if fields := strings.Split(line, ","); len(fields) > 1 && fields[1] == "server" {
				return fields[0]
			}
		}
	}
	return randomHex(16)
}

// reconcile writes what is missing on disk, replaces what is older than the datastore's copy, and
// refuses to start over files that differ and are newer.
func reconcile(directory string, data []byte) error {
	logrus.Info("Reconciling bootstrap data between datastore and disk")
	files := map[string]bootstrapFile{}
	if err := json.Unmarshal(data, &files); err != nil {
		return fmt.Errorf("bootstrap data is not in the expected form: %w", err)
	}
	missing := false
	for _, part := range []string{"cred", "tls", "tls/etcd"} {
		entries, err := os.ReadDir(filepath.Join(directory, part))
		missing = missing || err != nil || len(entries) == 0
	}
	update := missing
	var newer []string
	for name, file := range files {
		relative, known := bootstrapPaths[name]
		if !known {
			logrus.Warnf("Unable to lookup path to reconcile %s", name)
			continue
		}
		path := filepath.Join(directory, relative)
		onDisk, err := os.ReadFile(path)
		if missing || os.IsNotExist(err) {
			update = true
			continue
		} else if err != nil {
			return err
		}
		if bytes.Equal(onDisk, file.Content) {
			continue
		}
		information, err := os.Stat(path)
		if err != nil {
			return err
		}
		if information.ModTime().Unix()-file.Timestamp.Unix() >= systemTimeSkew {
			newer = append(newer, path)
		} else {
			logrus.Warn("Datastore newer than " + path)
			update = true
		}
	}
	if len(newer) > 0 {
		slices.Sort(newer)
		return errors.New(strings.Join(newer, ", ") +
			" newer than datastore and could cause a cluster outage. " +
			"Remove the file(s) from disk and restart to be recreated from datastore.")
	}
	if !update {
		return nil
	}
	logrus.Warn("Updating bootstrap data on disk from datastore")
	return writeBootstrap(directory, files)
}

func writeBootstrap(directory string, files map[string]bootstrapFile) error {
	for name, file := range files {
		relative, known := bootstrapPaths[name]
		if !known {
			continue
		}
		path := filepath.Join(directory, relative)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, file.Content, 0o600); err != nil {
			return err
		}
		if err := os.Chtimes(path, file.Timestamp, file.Timestamp); err != nil {
			return err
		}
	}
	return nil
}

// saveBootstrap stores the files' content and times, encrypted with the password.
func saveBootstrap(ctx context.Context, store client.Client, directory, password string) error {
	files := map[string]bootstrapFile{}
	for name, relative := range bootstrapPaths {
		path := filepath.Join(directory, relative)
		content, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("failed to read %s: %w", path, err)
		}
		information, err := os.Stat(path)
		if err != nil {
			return err
		}
		files[name] = bootstrapFile{Timestamp: information.ModTime(), Content: content}
	}
	var plain bytes.Buffer
	if err := json.NewEncoder(&plain).Encode(files); err != nil {
		return err
	}
	value, err := encrypt(password, plain.Bytes())
	if err != nil {
		return err
	}
	if err := store.Create(ctx, storageKey(password), value); err != nil {
		return fmt.Errorf("cannot save bootstrap data: %w", err)
	}
	logrus.Infof("Saved bootstrap data at %s", storageKey(password))
	return nil
}
