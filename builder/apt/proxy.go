package apt

import (
	"fmt"
	"net/http"
	"net/url"
)

// Through gives the HTTP client for Options.Files that takes every request to
// an apt proxy, such as apt-cacher-ng's http://proxy:3142. Without one, a
// fetch.Client takes the proxy of its environment (http_proxy, no_proxy).
func Through(proxy string) (*http.Client, error) {
	u, err := url.Parse(proxy)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" && u.Path != "/" {
		return nil, fmt.Errorf("cannot use %q as the apt proxy: want a URL such as http://proxy.example:3142", proxy)
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = http.ProxyURL(u)
	t.MaxIdleConnsPerHost = 16 // packages come many at a time
	return &http.Client{Transport: t}, nil
}
