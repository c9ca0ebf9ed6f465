package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// Access says who may see the pages.
type Access struct {
	// Token lets in who knows it; "" lets everybody in who can connect, which is for loopback addresses alone.
	Token string
	// Loopback says that the pages are served on a loopback address. Requests must then name it: a page elsewhere that has its own
	// name resolve to this address (DNS rebinding) names itself.
	Loopback bool
}

// minToken is the least length of a token that a user chooses.
const minToken = 16

// NewToken draws a token.
func NewToken() string {
	b := make([]byte, 32)
	rand.Read(b) //nolint:errcheck // it never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// ReadToken reads a token from a file that only its owner may read.
func ReadToken(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", fmt.Errorf("read token: %w", err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("read token: %s is no regular file", name)
	case info.Mode().Perm()&0o077 != 0:
		return "", fmt.Errorf("read token: others may read %s: chmod 600 it", name)
	}
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if len(token) < minToken {
		return "", fmt.Errorf("read token: the token in %s has %d characters, it must have %d at least", name, len(token), minToken)
	}
	return token, nil
}

// IsLoopback says whether a listener can be reached from this machine alone.
func IsLoopback(l net.Listener) bool {
	switch a := l.Addr().(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}

// cookieName is that of the cookie which a browser has after its first visit. Browsers tell hosts apart and not ports.
const cookieName = "tracehammer"

// cookie is what a browser gets for the token: the token cannot be told from it.
func (a *Access) cookie() string {
	m := hmac.New(sha256.New, []byte(a.Token))
	m.Write([]byte("tracehammer cookie")) //nolint:errcheck // it never fails
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// same compares secrets in a time that tells nothing, not even their lengths.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// headers keep browsers from whatever the pages do not need. Only the page that asks for the token has a form.
func headers(h http.Header) {
	h.Set("Content-Security-Policy", policy("'none'"))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
}

func policy(forms string) string {
	return "default-src 'none'; style-src 'self'; img-src 'self'; form-action " + forms + "; base-uri 'none'; frame-ancestors 'none'"
}

// guard lets through what is a request to read something, made by a browser or a program on behalf of a user who may. The page that
// asks for the token has a style sheet, which everybody gets.
func (a *Access) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers(w.Header())
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			fail(w, http.StatusMethodNotAllowed, "pages are for reading: only GET and HEAD are answered")
		case a.Loopback && !loopbackName(r.Host):
			fail(w, http.StatusMisdirectedRequest, "this server is reached as localhost or by its loopback address, and by no other name")
		case foreign(r):
			fail(w, http.StatusForbidden, "another site asked for this")
		case a.Token == "" || r.URL.Path == "/style.css" || r.URL.Path == "/favicon.svg":
			next.ServeHTTP(w, r)
		default:
			a.admit(w, r, next)
		}
	})
}

// admit asks for the token, which comes with the first visit (?token=), by a header from programs, or as a cookie.
func (a *Access) admit(w http.ResponseWriter, r *http.Request, next http.Handler) {
	query := r.URL.Query()
	if query.Has("token") {
		if !same(query.Get("token"), a.Token) {
			askToken(w, "this is not the token")
			return
		}
		http.SetCookie(w, &http.Cookie{Name: cookieName, Value: a.cookie(), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
			MaxAge: 30 * 24 * 3600, Secure: r.TLS != nil})
		query.Del("token")
		to := url.URL{Path: r.URL.Path, RawQuery: query.Encode()} // without the token
		if strings.HasPrefix(to.Path, "//") {                     // it would name another host
			to.Path = "/"
		}
		w.Header().Set("Location", to.String())
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		if !same(bearer, a.Token) {
			fail(w, http.StatusUnauthorized, "this is not the token")
			return
		}
		next.ServeHTTP(w, r)
		return
	}
	if c, err := r.Cookie(cookieName); err == nil && same(c.Value, a.cookie()) {
		next.ServeHTTP(w, r)
		return
	}
	askToken(w, "")
}

// loopbackName says whether a Host header names this machine by its loopback address. The port may be another one: a tunnel has its own.
func loopbackName(host string) bool {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	} else if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false
	}
	name = strings.Trim(name, "[]")
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback()
}

// foreign says whether a request comes from another site's page. Following a link from there is what a user does; the page then
// stands alone.
func foreign(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || u.Host != r.Host {
			return true
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return false
	}
	return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
}

// fail answers with a line of text.
func fail(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	fmt.Fprintln(w, text)
}
