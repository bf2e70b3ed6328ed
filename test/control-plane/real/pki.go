package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Keys and certificates. CAs and the service-account key are made once and then belong to the
// bootstrap data; leaf certificates are made anew at every start, because addresses may differ.

const (
	caLifetime   = 10 * 365 * 24 * time.Hour
	leafLifetime = 365 * 24 * time.Hour
)

// authority is a CA certificate with its key, both as objects and as found on disk.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
	pem         []byte
}

// makeMissing creates every bootstrap file that does not exist yet (k3s: GenServerDeps).
func makeMissing(directory, password string) error {
	now := time.Now().Unix()
	for name, common := range map[string]string{
		"ServerCA": "k3s-server-ca", "ClientCA": "k3s-client-ca",
		"RequestHeaderCA": "k3s-request-header-ca",
		"ETCDServerCA":    "etcd-server-ca", "ETCDPeerCA": "etcd-peer-ca",
	} {
		path := filepath.Join(directory, bootstrapPaths[name])
		if exists(path) {
			continue
		}
		if err := makeAuthority(path, filepath.Join(directory, bootstrapPaths[name+"Key"]),
			fmt.Sprintf("%s@%d", common, now)); err != nil {
			return err
		}
	}
	if path := filepath.Join(directory, bootstrapPaths["ServiceKey"]); !exists(path) {
		if _, err := makeKey(path); err != nil {
			return err
		}
	}
	passwd := fmt.Sprintf("%s,node,node,k3s:agent\n%s,server,server,k3s:server\n", password, password)
	contents := map[string]string{"PasswdFile": passwd, "IPSECKey": randomHex(48) + "\n"}
	for name, content := range contents {
		if path := filepath.Join(directory, bootstrapPaths[name]); !exists(path) {
			if err := writePrivate(path, []byte(content)); err != nil {
				return err
			}
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func writePrivate(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}

func makeKey(path string) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePrivate(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

func makeAuthority(certificatePath, keyPath, commonName string) error {
	key, err := makeKey(keyPath)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0), Subject: pkix.Name{CommonName: commonName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(caLifetime),
		KeyUsage: x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature |
			x509.KeyUsageCertSign,
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	block := &pem.Block{Type: "CERTIFICATE", Bytes: der}
	return writePrivate(certificatePath, pem.EncodeToMemory(block))
}

func loadAuthority(directory, name string) (*authority, error) {
	certificatePEM, err := os.ReadFile(filepath.Join(directory, bootstrapPaths[name]))
	if err != nil {
		return nil, err
	}
	keyPEM, err := os.ReadFile(filepath.Join(directory, bootstrapPaths[name+"Key"]))
	if err != nil {
		return nil, err
	}
	certificateBlock, _ := pem.Decode(certificatePEM)
	keyBlock, _ := pem.Decode(keyPEM)
	if certificateBlock == nil || keyBlock == nil {
		return nil, fmt.Errorf("%s and its key are not PEM files", bootstrapPaths[name])
	}
	certificate, err := x509.ParseCertificate(certificateBlock.Bytes)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParseECPrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", bootstrapPaths[name+"Key"], err)
	}
	return &authority{certificate: certificate, key: key, pem: certificatePEM}, nil
}

// leaf describes a certificate signed by one of the CAs; names empty means a client certificate.
type leaf struct {
	subject pkix.Name
	names   []string
}

// issue writes <path>.crt (with the CA behind it) and <path>.key.
func (a *authority) issue(path string, wanted leaf) error {
	key, err := makeKey(path + ".key")
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 62))
	if err != nil {
		return err
	}
	usage := x509.ExtKeyUsageClientAuth
	if len(wanted.names) > 0 {
		usage = x509.ExtKeyUsageServerAuth
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: wanted.subject,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(leafLifetime),
		KeyUsage:    x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
	for _, name := range wanted.names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return err
	}
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return writePrivate(path+".crt", append(chain, a.pem...))
}

// servingNames are the names and addresses a client may call this server by.
func servingNames(c *serverConfiguration, serviceIP net.IP) []string {
	names := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc",
		"kubernetes.default.svc.cluster.local", "localhost", "127.0.0.1", "::1", serviceIP.String(),
		c.nodeName, c.nodeIP, c.bindAddress, c.advertiseAddress}
	names = append(names, c.sans...)
	slices.Sort(names)
	names = slices.Compact(names)
	return slices.DeleteFunc(names, func(name string) bool {
		ip := net.ParseIP(name)
		return name == "" || (ip != nil && ip.IsUnspecified())
	})
}

// adminToken is the bearer token of tests. It follows from the bootstrap data alone, so it stays
// valid when another node takes the cluster over.
func adminToken(directory string) (string, error) {
	key, err := os.ReadFile(filepath.Join(directory, bootstrapPaths["ServiceKey"]))
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("baton test administrator"))
	return hex.EncodeToString(mac.Sum(nil)), nil
}
