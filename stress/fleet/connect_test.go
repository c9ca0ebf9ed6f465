package fleet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"tracehammer/stress"
	"tracehammer/stress/campaign"
)

// write writes a file for the test.
func write(t *testing.T, name string, b []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.cert, a.key, a.file, _ = a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// sign makes a certificate, signed by the authority or, for its own, by itself, and files of it and of its key.
func (a *authority) sign(t *testing.T, c *x509.Certificate) (cert *x509.Certificate, key *ecdsa.PrivateKey, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile = write(t, "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	keyFile = write(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	return cert, key, certFile, keyFile
}

func (a *authority) server(t *testing.T, names ...string) func(*server.Options) {
	c := &x509.Certificate{Subject: pkix.Name{CommonName: "server"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: names}
	if len(names) == 0 {
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	_, _, cert, key := a.sign(t, c)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return func(o *server.Options) {
		o.TLSConfig, o.TLSTimeout = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, 60
		o.TLS = true
	}
}

// verified is a server that wants certificates of the authority.
func (a *authority) verified(t *testing.T) func(*server.Options) {
	with := a.server(t)
	return func(o *server.Options) {
		with(o)
		o.TLSVerify = true
		o.TLSConfig.ClientAuth, o.TLSConfig.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		o.TLSConfig.ClientCAs.AddCert(a.cert)
	}
}

func (a *authority) client(t *testing.T) (cert, key string) {
	_, _, cert, key = a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "worker"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return cert, key
}

// nkey makes a key of a kind.
func nkey(t *testing.T, kind nkeys.PrefixByte) (pair nkeys.KeyPair, public string, seed []byte) {
	t.Helper()
	pair, err := nkeys.CreatePair(kind)
	if err != nil {
		t.Fatal(err)
	}
	if public, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	if seed, err = pair.Seed(); err != nil {
		t.Fatal(err)
	}
	return pair, public, seed
}

// operator makes a server whose users have credentials, and a file with good ones.
func operator(t *testing.T) (with func(*server.Options), creds string) {
	t.Helper()
	op, opName, _ := nkey(t, nkeys.PrefixByteOperator)
	oc := jwt.NewOperatorClaims(opName)
	accounts := &server.MemAccResolver{}
	account := func(limits jwt.JetStreamLimits) (nkeys.KeyPair, string) {
		pair, name, _ := nkey(t, nkeys.PrefixByteAccount)
		c := jwt.NewAccountClaims(name)
		c.Limits.JetStreamLimits = limits
		text, err := c.Encode(op)
		if err != nil {
			t.Fatal(err)
		}
		if err := accounts.Store(name, text); err != nil {
			t.Fatal(err)
		}
		return pair, name
	}
	_, system := account(jwt.JetStreamLimits{})
	signs, _ := account(jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1})
	return func(o *server.Options) {
		o.TrustedOperators, o.AccountResolver, o.SystemAccount = []*jwt.OperatorClaims{oc}, accounts, system
	}, write(t, "creds", credentials(t, signs))
}

// credentials are those of a user, signed by an account.
func credentials(t *testing.T, account nkeys.KeyPair) []byte {
	t.Helper()
	_, name, seed := nkey(t, nkeys.PrefixByteUser)
	text, err := jwt.NewUserClaims(name).Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	b, err := jwt.FormatUserConfig(text, seed)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Servers that want to know who comes, in every way that NATS has: who can say it is let in, and who cannot gets one line that says what to
// do, and nothing that is secret.
func TestCredentials(t *testing.T) {
	ours, others := newAuthority(t), newAuthority(t)
	cert, key := ours.client(t)
	wrongCert, wrongKey := others.client(t)
	_, public, seed := nkey(t, nkeys.PrefixByteUser)
	_, _, wrongSeed := nkey(t, nkeys.PrefixByteUser)
	operated, creds := operator(t)
	stranger, _, _ := nkey(t, nkeys.PrefixByteAccount)
	password := func(o *server.Options) { o.Username, o.Password = "worker", "s3cret" }
	token := func(o *server.Options) { o.Authorization = "t0ken-s3cret" }

	type try struct {
		as   Options
		who  string // in front of the server in the URL
		tls  bool   // in the URL
		says string // what is wrong with it; "": nothing is
	}
	for _, c := range []struct {
		name  string
		with  func(*server.Options)
		tries []try
	}{
		{"password", password, []try{
			{who: "worker:s3cret@"},
			{as: Options{Login: write(t, "login", []byte("worker:s3cret\n"))}},
			{who: "worker:wr0ng-s3cret@", says: "authorization violation.*--nats-login"},
			{as: Options{Login: write(t, "login", []byte("worker:wr0ng-s3cret"))}, says: "authorization violation"},
			{says: "authorization violation"},
			{who: "worker:s3cret@", tls: true, says: "secure connection not available.*nats://"},
		}},
		{"token", token, []try{
			{who: "t0ken-s3cret@"},
			{as: Options{Login: write(t, "login", []byte("t0ken-s3cret\n"))}},
			{who: "wr0ng-s3cret@", says: "authorization violation"},
			{as: Options{Login: write(t, "login", []byte("wr0ng-s3cret\n"))}, says: "authorization violation"},
		}},
		{"nkey", func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: public}} }, []try{
			{as: Options{NKey: write(t, "nkey", seed)}},
			{as: Options{NKey: write(t, "nkey", wrongSeed)}, says: "authorization violation"},
			{says: "authorization violation"},
		}},
		{"credentials", operated, []try{
			{as: Options{Creds: creds}},
			{as: Options{Creds: write(t, "creds", credentials(t, stranger))}, says: "authorization violation"},
			{says: "authorization violation"},
		}},
		{"TLS", ours.server(t), []try{
			{as: Options{CA: ours.file}},
			{as: Options{CA: ours.file}, tls: true},
			{as: Options{CA: others.file}, tls: true, says: "certificate.*--nats-ca"},
			{tls: true, says: "certificate.*--nats-ca"},
			{says: "certificate.*--nats-ca"},
		}},
		{"TLS and a password", func(o *server.Options) { ours.server(t)(o); password(o) }, []try{
			{as: Options{CA: ours.file, Login: write(t, "login", []byte("worker:s3cret\n"))}, tls: true},
			{as: Options{CA: ours.file}, tls: true, says: "authorization violation"},
		}},
		{"TLS of another host", ours.server(t, "nats.example.org"), []try{
			{as: Options{CA: ours.file}, tls: true, says: "certificate.*another name"},
		}},
		{"client certificates", ours.verified(t), []try{
			{as: Options{CA: ours.file, Cert: cert, Key: key}, tls: true},
			{as: Options{CA: ours.file, Cert: wrongCert, Key: wrongKey}, tls: true, says: "certificate.*--nats-cert"},
			{as: Options{CA: ours.file}, tls: true, says: "certificate.*--nats-cert"},
		}},
		{"no JetStream", func(o *server.Options) { o.JetStream = false }, []try{{says: "JetStream"}}},
		{"few permissions", func(o *server.Options) {
			o.Users = []*server.User{{Username: "worker", Password: "s3cret", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: []string{"else.>"}}}}}
		}, []try{{who: "worker:s3cret@", says: "permissions violation.*more permissions"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := startServer(t, c.with)
			for _, try := range c.tries {
				o := try.as
				if o.Name, o.URL = "test", "nats://"+try.who+s.Addr().String(); try.tls {
					o.URL = "tls" + strings.TrimPrefix(o.URL, "nats")
				}
				began := time.Now()
				f, err := Join(t.Context(), o)
				if err == nil {
					if try.says != "" {
						t.Errorf("%+v joins", o)
					}
					if _, err := f.About(t.Context()); err != nil {
						t.Errorf("%+v: %v", o, err)
					}
					f.Close() //nolint:errcheck // it was let in
					continue
				}
				if try.says == "" || !matches(try.says, err.Error()) || !errors.As(err, new(*stress.EnvError)) {
					t.Errorf("%+v: %v; expected %q", o, err, try.says)
				}
				if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "\n") {
					t.Errorf("%+v: it says too much: %v", o, err)
				}
				t.Logf("%v: %v", time.Since(began).Round(time.Millisecond), err)
			}
		})
	}
}

// What docs/daemon.md says a user must be allowed is enough for all that a fleet does.
func TestPermissions(t *testing.T) {
	s := startServer(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "worker", Password: "s3cret", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: []string{"$JS.API.>", "$JS.ACK.>", "$KV.>", "$O.>"}},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
		}}}
	})
	ctx := t.Context()
	a, b := join(t, "nats://worker:s3cret@"+s.Addr().String()), join(t, "nats://worker:s3cret@"+s.Addr().String())
	do := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	do("begin", a.Begin(ctx, campaign.Begun{ID: "c1"}))
	do("work", second(b.Work(ctx)))
	do("team", a.Team(ctx, "host", 5))
	l, err := b.Take(ctx, "host", 2)
	do("take", err)
	do("done", b.Done(ctx, l, l.Hi))
	do("keep", b.Keep(ctx, "host", "kept", []byte("text")))
	do("hold", second(b.Hold(ctx, "0a", campaign.Held{Target: "host", Text: []byte("text")})))
	do("file", b.File(ctx, "0a", map[string][]byte{"meta.json": []byte("{}")}))
	do("release", b.Release(ctx, "0a"))
	do("adopt", a.Adopt(ctx, func(string) bool { return true }, nil))
	do("count", b.Count(ctx, campaign.Summary{}))
	do("leave", b.Close())
	var heard listener
	do("end", a.End(ctx, true, &heard))
	if len(heard.filed) != 1 || len(heard.kept) != 1 {
		t.Errorf("heard %v, %v", heard.filed, heard.kept)
	}
	do("permissions", errors.Join(a.permission(), b.permission()))
}

// What is wrong with the options by themselves is no matter of the environment, and needs no server to be told.
func TestOptionsCheck(t *testing.T) {
	login := write(t, "login", []byte("worker:s3cret\n"))
	empty := write(t, "empty", nil)
	cert, key := newAuthority(t).client(t)
	for _, c := range []struct {
		o    Options
		says string
	}{
		{Options{URL: "nats://h:1", Name: "test"}, ""},
		{Options{URL: "nats://h:1,tls://g", Name: "test", Login: login}, ""},
		{Options{URL: "nats://h:1", Name: "no name"}, "a name has letters"},
		{Options{URL: "", Name: "test"}, "first NATS server has no address"},
		{Options{URL: "h:1", Name: "test"}, "first NATS server has no address"},
		{Options{URL: "http://h:1", Name: "test"}, "first NATS server has no address"},
		{Options{URL: "nats://u:s3cret%@h:1", Name: "test"}, "first NATS server has no address"},
		{Options{URL: "nats://u:s3cret/@h:1", Name: "test"}, "first NATS server has no address"},
		{Options{URL: "nats://g:1,nats://u:x,s3cret@h:1", Name: "test"}, "second NATS server has no address"},
		{Options{URL: "nats://u:s3cret@h:1", Name: "test", Login: login}, "the URL and --nats-login"},
		{Options{URL: "nats://h:1", Name: "test", Login: login, Creds: "creds"}, "--nats-login and --nats-creds"},
		{Options{URL: "nats://h:1", Name: "test", Login: "missing"}, "--nats-login: .*missing: no such file"},
		{Options{URL: "nats://h:1", Name: "test", Login: empty}, "--nats-login: .*empty: expected one line"},
		{Options{URL: "nats://h:1", Name: "test", Login: write(t, "login", []byte("u:s3cret\ns3cret\n"))}, "expected one line"},
		{Options{URL: "nats://h:1", Name: "test", Login: write(t, "login", []byte(":s3cret\n"))}, "no user"},
		{Options{URL: "nats://h:1", Name: "test", NKey: "missing"}, "--nats-nkey: .*missing: no such file"},
		{Options{URL: "nats://h:1", Name: "test", NKey: login}, "--nats-nkey: .*login: "},
		{Options{URL: "nats://h:1", Name: "test", Creds: "missing"}, "--nats-creds: .*missing: no such file"},
		{Options{URL: "nats://h:1", Name: "test", Creds: login}, "--nats-creds: .*login: "},
		{Options{URL: "nats://h:1", Name: "test", CA: "missing"}, "--nats-ca: .*missing: no such file"},
		{Options{URL: "nats://h:1", Name: "test", CA: empty}, "--nats-ca: .*empty"},
		{Options{URL: "nats://h:1", Name: "test", Cert: cert}, "belong together"},
		{Options{URL: "nats://h:1", Name: "test", Cert: cert, Key: key}, ""},
		{Options{URL: "nats://h:1", Name: "test", Cert: cert, Key: login}, "--nats-cert: .*key"},
	} {
		err := c.o.Check()
		switch {
		case (err == nil) != (c.says == "") || err != nil && !matches(c.says, err.Error()):
			t.Errorf("%+v: %v; expected %q", c.o, err, c.says)
		case err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "\n") || errors.As(err, new(*stress.EnvError))):
			t.Errorf("%+v: %v", c.o, err)
		}
		if strings.Contains(c.o.Servers(), "s3cret") {
			t.Errorf("%+v: shown: %s", c.o, c.o.Servers())
		}
	}
	o := Options{URL: "nats://u:p@host:1,tls://token@other"}
	if s := o.Servers(); s != "nats://host:1,tls://other" {
		t.Errorf("shown: %s", s)
	}
}

func matches(pattern, s string) bool { return regexp.MustCompile("(?i)" + pattern).MatchString(s) }
