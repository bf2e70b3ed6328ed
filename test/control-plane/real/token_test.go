package main

import (
	"strings"
	"testing"
)

func TestNormalizeToken(t *testing.T) {
	hash := strings.Repeat("a1", 32)
	for token, password := range map[string]string{
		"hello":                             "hello",
		"with:colon":                        "with:colon",
		"K10" + hash + "::server:secret":    "secret",
		"K10" + hash + "::server:se::cr:et": "se::cr:et",
		"K10::server:secret":                "secret",
		"K10server:secret":                  "secret",
	} {
		if got, err := normalizeToken(token); err != nil || got != password {
			t.Errorf("normalizeToken(%q) = %q, %v; want %q", token, got, err, password)
		}
	}
	for _, token := range []string{"", "K10", "K10abc::server:secret", "K10" + hash + "::server:",
		"K10" + hash + "::server", "abcdef.0123456789abcdef",
		"K10" + hash + "::abcdef.0123456789abcdef"} {
		if got, err := normalizeToken(token); err == nil {
			t.Errorf("normalizeToken(%q) = %q; want an error", token, got)
		}
	}
}

func TestFormatTokenIsUndoneByNormalize(t *testing.T) {
	// The digest is that of the file's literal bytes: `printf ca | sha256sum`.
	token := formatToken("pass word", []byte("ca"))
	const digest = "6959097001d10501ac7d54c0bdb8db61420f658f2922cc26e46d536119a31126"
	if want := "K10" + digest + "::server:pass word"; token != want {
		t.Errorf("formatToken = %q, want %q", token, want)
	}
	if password, err := normalizeToken(token); err != nil || password != "pass word" {
		t.Errorf("normalizeToken(%q) = %q, %v", token, password, err)
	}
}

func FuzzNormalizeToken(f *testing.F) {
	for _, seed := range []string{"", "hello", "K10", "K10::a:b",
		"K10" + strings.Repeat("0", 64) + "::server:x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		password, err := normalizeToken(token)
		if err == nil && (password == "" || !strings.HasSuffix(token, password)) {
			t.Errorf("normalizeToken(%q) = %q, which is no ending of the token", token, password)
		}
	})
}
