package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// The bootstrap row, to the letter of k3s pkg/cluster/encrypt.go:
//
//	key    /bootstrap/<first 12 hex digits of sha256(password)>
//	value  <salt>:<base64(nonce ‖ ciphertext ‖ tag)>
//
// salt is 16 hexadecimal digits and is used as text; the key is PBKDF2-HMAC-SHA1, 4096 rounds,
// 32 bytes; the cipher is AES-256-GCM with a 12-byte nonce, a 16-byte tag and no additional data.

const (
	pbkdf2Rounds = 4096
	keyBytes     = 32
)

func storageKey(password string) string {
	digest := sha256.Sum256([]byte(password))
	return "/bootstrap/" + hex.EncodeToString(digest[:])[:12]
}

func sealer(password, salt string) (cipher.AEAD, error) {
	key, err := pbkdf2.Key(sha1.New, password, []byte(salt), pbkdf2Rounds, keyBytes)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func encrypt(password string, plaintext []byte) ([]byte, error) {
	salt := randomHex(8)
	gcm, err := sealer(password, salt)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, gcm.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	sealed := gcm.Seal(nonce, nonce, plaintext, nil)
	return []byte(salt + ":" + base64.StdEncoding.EncodeToString(sealed)), nil
}

func decrypt(password string, value []byte) ([]byte, error) {
	salt, encoded, found := strings.Cut(string(value), ":")
	if !found {
		return nil, errors.New("invalid cipher text, not : delimited")
	}
	sealed, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, err
	}
	gcm, err := sealer(password, salt)
	if err != nil {
		return nil, err
	}
	if len(sealed) < gcm.NonceSize() {
		return nil, errors.New("invalid cipher text, shorter than its nonce")
	}
	return gcm.Open(nil, sealed[:gcm.NonceSize()], sealed[gcm.NonceSize():], nil)
}
