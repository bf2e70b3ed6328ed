package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"
)

// k3s's join token: a bare password, or K10<sha256 of the CA file>::<user>:<password>. The password
// alone names and decrypts the bootstrap row. Source: k3s pkg/clientaccess/token.go.

const tokenPrefix = "K10"

// kubeadmToken is the form k3s accepts from agents but refuses as a server token.
var kubeadmToken = regexp.MustCompile(`^[a-z0-9]{6}\.[a-z0-9]{16}$`)

var errToken = errors.New("failed to normalize token; must be in format " +
	"K10<CA-HASH>::<USERNAME>:<PASSWORD> or <PASSWORD>")

// normalizeToken returns the password of a token in either form.
func normalizeToken(token string) (string, error) {
	if token == "" || kubeadmToken.MatchString(token) {
		return "", errToken
	}
	rest, full := strings.CutPrefix(token, tokenPrefix)
	if !full {
		return token, nil
	}
	credentials := rest
	if hash, after, found := strings.Cut(rest, "::"); found {
		if len(hash) != 0 && len(hash) != sha256.Size*2 {
			return "", errToken
		}
		credentials = after
	}
	_, password, found := strings.Cut(credentials, ":")
	if !found || password == "" || kubeadmToken.MatchString(credentials) {
		return "", errToken
	}
	return password, nil
}

// formatToken gives the K10 form for a password. k3s hashes the literal bytes of the CA file as
// long as it holds a single certificate, which is always so here.
func formatToken(password string, caFile []byte) string {
	digest := sha256.Sum256(caFile)
	return tokenPrefix + hex.EncodeToString(digest[:]) + "::server:" + password
}

// randomHex returns n random bytes as 2n hexadecimal digits, as k3s's token.Random.
func randomHex(n int) string {
	raw := make([]byte, n)
	if _, err := rand.Read(raw); err != nil {
		panic(err) // crypto/rand never fails on a supported kernel
	}
	return hex.EncodeToString(raw)
}
