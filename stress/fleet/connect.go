package fleet

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	neturl "net/url"
	"os"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"tracehammer/stress"
	"tracehammer/stress/history"
)

// Options say where the servers are, and how to come in. What is secret is in files, or in the URL; it is never part of an error or of
// what is shared or written.
type Options struct {
	URL   string // of servers, separated by commas: nats://HOST, tls://HOST, with USER:PASSWORD@ or TOKEN@ before HOST if it must be
	Name  string // of the fleet: what buckets are called
	Login string // file with USER:PASSWORD, or with a token, which has no colon; "" for none
	NKey  string // file with the seed of an NKey; "" for none
	Creds string // file with credentials: a JWT and the seed of its NKey; "" for none
	CA    string // file with certificates of authorities; "" for the system's
	Cert  string // file with the client's certificate; "" for none
	Key   string // file with its key

	Program string // version of this program
}

// Check says what is wrong with the options by themselves, before anybody is asked. It reads the files.
func (o *Options) Check() error {
	_, err := o.nats()
	return err
}

// Servers are the servers without what is secret in their URLs.
func (o *Options) Servers() string {
	var all []string
	for _, s := range strings.Split(o.URL, ",") {
		u, err := neturl.Parse(s)
		if err != nil || u.Host == "" {
			return "(no address)" // who knows which part of it is a password
		}
		all = append(all, u.Scheme+"://"+u.Host)
	}
	return history.Printable(strings.Join(all, ","))
}

// nats is what the options are to NATS's client.
func (o *Options) nats() (opts []nats.Option, err error) {
	if !goodName.MatchString(o.Name) {
		return nil, fmt.Errorf("fleet %q: a name has letters, digits, - and _, at most 40", o.Name)
	}
	inURL := false
	for n, s := range strings.Split(o.URL, ",") {
		u, err := neturl.Parse(s)
		if err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			// A password with a slash or a comma in it makes a URL unreadable: it is not repeated.
			return nil, fmt.Errorf("the %s NATS server has no address that can be read: expected nats://HOST:PORT or tls://HOST:PORT, and %%2C, %%2F, %%40 for , / @ in a password",
				ordinal(n+1))
		}
		inURL = inURL || u.User != nil
	}
	var who []string
	for _, w := range []struct {
		flag  string
		given bool
	}{{"the URL", inURL}, {"--nats-login", o.Login != ""}, {"--nats-nkey", o.NKey != ""}, {"--nats-creds", o.Creds != ""}} {
		if w.given {
			who = append(who, w.flag)
		}
	}
	if len(who) > 1 {
		return nil, fmt.Errorf("%s say who this is: one of them must do", strings.Join(who, " and "))
	}
	if (o.Cert == "") != (o.Key == "") {
		return nil, errors.New("--nats-cert and --nats-key belong together")
	}
	add := func(flag string, a nats.Option, aerr error) {
		if aerr == nil && a != nil {
			aerr = a(&nats.Options{})
		}
		if aerr != nil && err == nil {
			err = fmt.Errorf("%s: %w", flag, withoutPrefix(aerr))
		}
		opts = append(opts, a)
	}
	if o.Login != "" {
		a, err := login(o.Login)
		add("--nats-login", a, err)
	}
	if o.NKey != "" {
		a, err := nats.NkeyOptionFromSeed(o.NKey)
		add("--nats-nkey", a, named(err, o.NKey))
	}
	if o.Creds != "" {
		add("--nats-creds", nats.UserCredentials(o.Creds), named(readCreds(o.Creds), o.Creds))
	}
	if o.CA != "" {
		add("--nats-ca", nats.RootCAs(o.CA), nil)
	}
	if o.Cert != "" {
		add("--nats-cert", nats.ClientCert(o.Cert, o.Key), nil)
	}
	return opts, err
}

func ordinal(n int) string {
	if all := []string{"first", "second", "third"}; n <= len(all) {
		return all[n-1]
	}
	return fmt.Sprint(n, "th")
}

// withoutPrefix is an error of NATS's client without its name, which says nothing about a file.
func withoutPrefix(err error) error {
	if text, is := strings.CutPrefix(err.Error(), "nats: "); is {
		return &prefixless{text, err}
	}
	return err
}

type prefixless struct {
	text string
	err  error
}

func (p *prefixless) Error() string { return p.text }
func (p *prefixless) Unwrap() error { return p.err }

// named makes sure that an error names its file.
func named(err error, file string) error {
	if err == nil || strings.Contains(err.Error(), file) {
		return err
	}
	return fmt.Errorf("%s: %w", history.Printable(file), err)
}

// login is who a file says this is. It is read again with each connection: passwords change.
func login(file string) (nats.Option, error) {
	user, password, err := readLogin(file)
	if err != nil {
		return nil, err
	}
	if user == "" {
		return nats.TokenHandler(func() string {
			_, token, _ := readLogin(file) //nolint:errcheck // then the server says that there is none
			return token
		}), nil
	}
	return nats.UserInfoHandler(func() (string, string) {
		if u, p, err := readLogin(file); err == nil {
			return u, p
		}
		return user, password
	}), nil
}

// maxLogin is the longest file of that kind that is read.
const maxLogin = 4 << 10

// readLogin reads a user and a password, or no user and a token.
func readLogin(file string) (user, secret string, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", "", err
	}
	line := bytes.TrimRight(b, "\r\n")
	if len(line) == 0 || len(line) > maxLogin || bytes.ContainsAny(line, "\r\n") {
		return "", "", fmt.Errorf("%s: expected one line, USER:PASSWORD or a token", history.Printable(file))
	}
	user, secret, has := strings.Cut(string(line), ":")
	if !has {
		return "", user, nil
	}
	if user == "" {
		return "", "", fmt.Errorf("%s: no user before the colon", history.Printable(file))
	}
	return user, secret, nil
}

// readCreds says whether a file has credentials.
func readCreds(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if _, err := nkeys.ParseDecoratedJWT(b); err != nil {
		return err
	}
	pair, err := nkeys.ParseDecoratedUserNKey(b)
	if err == nil {
		pair.Wipe()
	}
	return err
}

// connect connects to one of the servers.
func (o *Options) connect(me string, wrong func(error)) (*nats.Conn, error) {
	opts, err := o.nats()
	if err != nil {
		return nil, err
	}
	opts = append(opts, nats.Name("stressd "+me), nats.MaxReconnects(-1), nats.ReconnectWait(retryTime), nats.Timeout(opTime),
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(pingsLost),
		// By default NATS's client writes these on stderr.
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { wrong(err) }))
	conn, err := nats.Connect(o.URL, opts...)
	if err != nil {
		return nil, &stress.EnvError{What: "join fleet at " + o.Servers(), Err: withoutPrefix(err), Hint: hint(err)}
	}
	return conn, nil
}

// hint says what to do about an error of a connection.
func hint(err error) string {
	refused := []error{nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired, nats.ErrNkeysNotSupported}
	switch {
	case slices.ContainsFunc(refused, func(r error) bool { return errors.Is(err, r) }):
		return "the server wants to know who this is: USER:PASSWORD or a token by --nats-login, --nats-nkey or --nats-creds, and what it knows of it"
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "--nats-ca FILE has the certificates of the server's authority"
	case errors.As(err, new(x509.HostnameError)):
		return "the server's certificate is for another name than the URL has"
	case errors.As(err, new(x509.CertificateInvalidError)):
		return "the server's certificate is not good"
	case errors.Is(err, nats.ErrSecureConnWanted):
		return "the server has no TLS: nats:// in the place of tls://, without --nats-ca and --nats-cert"
	case strings.Contains(err.Error(), "remote error: tls: ") || strings.Contains(err.Error(), "after TLS handshake"):
		// The first has a type of crypto/tls's own, the second none: a server of TLS 1.3 looks at certificates when the client is done.
		return "the server does not take this certificate, or wants one: --nats-cert, --nats-key"
	}
	return "is a nats-server there?"
}
