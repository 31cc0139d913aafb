package deploy

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what has to come.
const patience = 60 * time.Second

// container is what a manifest says about one, with everything resolved. It runs as a process that sees its own root, of which it may
// write to its data alone, under its own user and as process 1.
type container struct {
	name        string
	address     string
	command     []string
	environment []string
	files       map[string]file
	data        string
	user, group uint32
	hosts       map[string]string
}

// file is one that is mounted.
type file struct {
	text string
	mode os.FileMode
}

// running is a container that was started.
type running struct {
	container
	process *exec.Cmd
	said    *output
	ended   chan error
}

// output is what a process has said.
type output struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (said *output) Write(text []byte) (int, error) {
	said.mutex.Lock()
	defer said.mutex.Unlock()
	return said.text.Write(text)
}

func (said *output) String() string {
	said.mutex.Lock()
	defer said.mutex.Unlock()
	return said.text.String()
}

// programs are those of this repository, by the names that they have in images.
func programs() map[string]string {
	rialto := os.Getenv("RIALTO_BIN")
	if rialto == "" {
		rialto = filepath.Join(root, "target/debug/rialto")
	}
	return map[string]string{"rialto": rialto, "nats-server": filepath.Join(root, ".tools/bin/nats-server")}
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bind shows a file or a folder of this machine under another path, and lets nobody write there.
func bind(t *testing.T, from, to string) {
	t.Helper()
	try(t, syscall.Mount(from, to, "", syscall.MS_BIND|syscall.MS_REC, ""))
	try(t, syscall.Mount("", to, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
}

// rooted makes what the container sees.
func (of container) rooted(t *testing.T) string {
	t.Helper()
	top := filepath.Join(os.Getenv(isolated), of.name)
	try(t, os.MkdirAll(top, 0o755))
	try(t, syscall.Mount("root", top, "tmpfs", 0, "mode=755"))
	for _, libraries := range []string{"/usr/lib", "/usr/lib64", "/lib", "/lib64"} {
		seen, err := os.Lstat(libraries)
		if os.IsNotExist(err) {
			continue
		}
		try(t, err)
		try(t, os.MkdirAll(filepath.Dir(top+libraries), 0o755))
		if seen.Mode()&os.ModeSymlink != 0 {
			target, err := os.Readlink(libraries)
			try(t, err)
			try(t, os.Symlink(target, top+libraries))
			continue
		}
		try(t, os.Mkdir(top+libraries, 0o755))
		bind(t, libraries, top+libraries)
	}
	for name, program := range programs() {
		at := top + "/usr/local/bin/" + name
		try(t, os.MkdirAll(filepath.Dir(at), 0o755))
		try(t, os.WriteFile(at, nil, 0o755))
		bind(t, program, at)
	}
	hosts := &strings.Builder{}
	for name, address := range of.hosts {
		fmt.Fprintf(hosts, "%s %s\n", address, name)
	}
	of.files["/etc/hosts"] = file{hosts.String(), 0o644}
	of.files["/etc/nsswitch.conf"] = file{"hosts: files\n", 0o644}
	for path, file := range of.files {
		try(t, os.MkdirAll(filepath.Dir(top+path), 0o755))
		try(t, os.WriteFile(top+path, []byte(file.text), file.mode))
		try(t, os.Chown(top+path, 0, int(of.group)))
	}
	if of.data != "" {
		try(t, os.MkdirAll(top+of.data, 0o755))
		try(t, syscall.Mount("data", top+of.data, "tmpfs", 0, fmt.Sprintf("mode=2775,gid=%d", of.group)))
	}
	try(t, syscall.Mount("", top, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, "mode=755"))
	return top
}

// start runs it until the test has ended.
func (of container) start(t *testing.T) *running {
	t.Helper()
	top := of.rooted(t)
	program := of.command[0]
	if !strings.Contains(program, "/") {
		program = "/usr/local/bin/" + program
	}
	said := &output{}
	process := &exec.Cmd{
		Path: program, Args: of.command, Env: of.environment, Dir: "/", Stdout: said, Stderr: said,
		SysProcAttr: &syscall.SysProcAttr{
			Chroot:     top,
			Credential: &syscall.Credential{Uid: of.user, Gid: of.group},
			Cloneflags: syscall.CLONE_NEWPID,
		},
	}
	try(t, process.Start())
	started := &running{of, process, said, make(chan error, 1)}
	go func() { started.ended <- process.Wait() }()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s said:\n%s", of.name, said)
		}
		// That it has ended already is what some tests want.
		_ = process.Process.Kill()
	})
	return started
}

// signal tells it something.
func (of *running) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	try(t, of.process.Process.Signal(signal))
}

// ends waits until it has ended of itself, well, and within its time of grace.
func (of *running) ends(t *testing.T, grace time.Duration) {
	t.Helper()
	select {
	case err := <-of.ended:
		if err != nil {
			t.Errorf("%s: %v", of.name, err)
		}
	case <-time.After(grace):
		t.Errorf("%s has not ended within %v", of.name, grace)
	}
}

// says waits until it has said something.
func (of *running) says(t *testing.T, text string) {
	t.Helper()
	ticks := time.NewTicker(time.Millisecond)
	defer ticks.Stop()
	for end := time.Now().Add(patience); !strings.Contains(of.said.String(), text); <-ticks.C {
		if time.Now().After(end) {
			t.Fatalf("%s has not said %q", of.name, text)
		}
	}
}

// answers waits until it answers with 200 under a path, as kubelets and Docker do.
func (of *running) answers(t *testing.T, port int32, path string) string {
	t.Helper()
	url := fmt.Sprintf("http://%s:%d%s", of.address, port, path)
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	for end := time.Now().Add(patience); ; <-ticks.C {
		status, body, err := get(http.DefaultClient, url)
		if err == nil && status == http.StatusOK {
			return body
		}
		select {
		case err := <-of.ended:
			t.Fatalf("%s has ended: %v", of.name, err)
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %s answers %d, %v", of.name, url, status, err)
		}
	}
}

func get(client *http.Client, url string) (int, string, error) {
	answer, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body := &bytes.Buffer{}
	_, err = body.ReadFrom(answer.Body)
	return answer.StatusCode, body.String(), err
}
