//go:build root && linux

package steps

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What a member does.
const (
	serves   = iota
	hangs    // it takes requests, and says nothing
	unwell   // it serves, and says that it does not
	rebuilds // it answers everything with 503, as a node whose brick is filled
	breaks   // it takes requests, and closes the connection
)

// member is a node that serves the volume.
type member struct {
	name, at string
	does     atomic.Int32
	got      sync.Map // what was asked for by a visitor, as it was written
	server   *http.Server
}

// up has the member listen.
func (m *member) up() error {
	l, err := net.Listen("tcp", m.at)
	if err != nil {
		return err
	}
	m.does.Store(serves)
	m.server = &http.Server{Handler: m, IdleTimeout: 5 * time.Second}
	go m.server.Serve(l)
	return nil
}

// down has it vanish in the middle of whatever it does.
func (m *member) down() error { return m.server.Close() }

func (m *member) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	health := r.URL.Path == healthURL
	if !health {
		m.got.Store(r.RequestURI, r.Header)
	}
	switch does := m.does.Load(); {
	case does == hangs:
		<-r.Context().Done()
		return
	case does == breaks && !health:
		panic(http.ErrAbortHandler)
	case does == rebuilds, does == unwell && health:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Server", "Apache/2.4.9 (Member)")
	if r.URL.Path == "/folder" {
		http.Redirect(w, r, "http://"+r.Host+"/folder/", http.StatusMovedPermanently)
		return
	}
	fmt.Fprintf(w, "%s %s", m.name, r.URL.Path)
}

var four = []*member{
	{name: "cluster01", at: "127.0.0.2:8081"},
	{name: "cluster02", at: "127.0.0.3:8082"},
	{name: "cluster03", at: "127.0.0.4:8083"},
	{name: "cluster04", at: "127.0.0.5:8480"},
}

// The addresses of the balancer and of a visitor.
const balancerAt, visitorAt = "192.0.2.1:80", "192.0.2.2:0"

// visit gets a path of the balancer from elsewhere.
func visit(client *http.Client, path string) (code int, body string, err error) {
	res, err := client.Get("http://" + balancerAt + path)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	return res.StatusCode, string(all), err
}

func visitor(keepAlive bool) *http.Client {
	from, _ := net.ResolveTCPAddr("tcp", visitorAt)
	dialer := net.Dialer{LocalAddr: from}
	return &http.Client{
		Transport:     &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: !keepAlive},
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// crowd is what became of many requests.
type crowd struct {
	mu      sync.Mutex
	of      map[string]int // member to answers
	wrong   []string
	slowest time.Duration
}

const visitors = 4

// comes has visitors ask for n files, about 200 a second, half of the visitors over
// connections that they keep. Event happens after a quarter of it.
func (c *crowd) comes(n int, event func() error) error {
	c.of = map[string]int{}
	var next atomic.Int64
	var crowd sync.WaitGroup
	happened := make(chan error, 1)
	for v := range visitors {
		crowd.Go(func() {
			client := visitor(v%2 == 0)
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if i == int64(n/4) {
					go func() { happened <- event() }()
				}
				c.ask(client, i)
				time.Sleep(visitors * time.Second / 200)
			}
		})
	}
	crowd.Wait()
	return <-happened
}

func (c *crowd) ask(client *http.Client, i int64) {
	path, began := fmt.Sprintf("/file-%d", i), time.Now()
	code, body, err := visit(client, path)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slowest = max(c.slowest, time.Since(began))
	name, asked, _ := strings.Cut(body, " ")
	if err != nil || code != http.StatusOK || asked != path {
		c.wrong = append(c.wrong, fmt.Sprint(path, " ", code, " ", err))
		return
	}
	c.of[name]++
}

func (c *crowd) String() string {
	var of []string
	for _, name := range slices.Sorted(maps.Keys(c.of)) {
		of = append(of, fmt.Sprintf("%s %d", name, c.of[name]))
	}
	return fmt.Sprintf("failed %d, slowest %v, %s", len(c.wrong), c.slowest.Round(time.Millisecond), strings.Join(of, ", "))
}

// survives has 2,000 requests come while something happens to a member, and wants none
// to fail; then that only the names are asked, within some seconds.
func survives(event func() error, within time.Duration, then ...string) func() error {
	return survivesBut(0, event, within, then...)
}

// survivesBut is survives where so many requests may fail.
func survivesBut(most int, event func() error, within time.Duration, then ...string) func() error {
	return func() error {
		var c crowd
		err := c.comes(2000, event)
		fmt.Println("  of 2000 requests:", &c)
		if len(c.wrong) > most {
			err = errors.Join(err, fmt.Errorf("%d requests failed: %v", len(c.wrong), c.wrong))
		}
		return errors.Join(err, share(within, then...)())
	}
}

// share waits until visitors are sent to exactly these members, in turns.
func share(within time.Duration, names ...string) func() error {
	return func() error {
		began, want := time.Now(), map[string]int{}
		for _, name := range names {
			want[name] = 8 / len(names)
		}
		var c crowd
		for time.Since(began) < within {
			c = crowd{of: map[string]int{}}
			for i := range int64(8 / len(names) * len(names)) {
				c.ask(visitor(false), i)
			}
			if differs("", want, c.of) == nil {
				fmt.Printf("  after %v: %v\n", time.Since(began).Round(100*time.Millisecond), &c)
				return nil
			}
			time.Sleep(100 * time.Millisecond)
		}
		return fmt.Errorf("after %v the visitors are not at %v: %v %v", within, names, &c, c.wrong)
	}
}
