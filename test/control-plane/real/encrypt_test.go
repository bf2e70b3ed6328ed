package main

import (
	"bytes"
	"os/exec"
	"regexp"
	"testing"
)

func TestStorageKey(t *testing.T) {
	// `printf hello | sha256sum` starts with these twelve digits.
	if got := storageKey("hello"); got != "/bootstrap/2cf24dba5fb0" {
		t.Errorf("storageKey = %q", got)
	}
}

func TestDecryptRefusesWhatItDidNotSeal(t *testing.T) {
	value, err := encrypt("right", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	altered := bytes.Replace(value, []byte(":"), []byte("0:"), 1) // another salt, hence another key
	for name, attempt := range map[string][]byte{"altered": altered, "empty": nil,
		"no colon": []byte("abc"), "no base64": []byte("aa:!"), "too short": []byte("aa:AAAA")} {
		if plain, err := decrypt("right", attempt); err == nil {
			t.Errorf("%s: decrypt = %q, want an error", name, plain)
		}
	}
	if plain, err := decrypt("wrong", value); err == nil {
		t.Errorf("wrong password: decrypt = %q, want an error", plain)
	}
}

// The format is checked by an implementation that shares no code with this one.
func TestFormatIsReadByAnotherImplementation(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not on PATH")
	}
	value, err := encrypt("pässword", []byte("plain text"))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[0-9a-f]{16}:[A-Za-z0-9+/]+=*$`).Match(value) {
		t.Errorf("value %q has not the form salt:base64", value)
	}
	const script = `const c=require('node:crypto');const[s,b]=process.argv[1].split(':');
const d=Buffer.from(b,'base64');const k=c.pbkdf2Sync('pässword',s,4096,32,'sha1');
const g=c.createDecipheriv('aes-256-gcm',k,d.subarray(0,12));g.setAuthTag(d.subarray(-16));
process.stdout.write(Buffer.concat([g.update(d.subarray(12,-16)),g.final()]));`
	output, err := exec.Command(node, "-e", script, string(value)).CombinedOutput()
	if err != nil || string(output) != "plain text" {
		t.Errorf("node read %q, %v", output, err)
	}
}

func FuzzEncryptDecrypt(f *testing.F) {
	f.Add("hello", []byte("data"))
	f.Add("", []byte{})
	f.Add("a:b", []byte{0, 255})
	f.Fuzz(func(t *testing.T, password string, plain []byte) {
		value, err := encrypt(password, plain)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decrypt(password, value)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("decrypt = %q, %v; want %q", got, err, plain)
		}
	})
}

func FuzzDecryptAnything(f *testing.F) {
	f.Add([]byte("1babeced7b517ac5:92Z4yPnVNchtvZPl"))
	f.Add([]byte(":"))
	f.Fuzz(func(t *testing.T, value []byte) {
		if plain, err := decrypt("password", value); err == nil {
			t.Errorf("decrypt(%q) = %q", value, plain)
		}
	})
}
