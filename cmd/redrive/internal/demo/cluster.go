package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// cluster is a standalone Spark cluster of one master and one worker on
// loopback. Its executors are processes of their own.
type cluster struct {
	home, python string
	url          string // of the master
	folder       string
	daemons      []*daemon
}

// Bounds of the cluster.
const (
	workerCores  = 2
	workerMemory = "6g"
	daemonStart  = 2 * time.Minute // on a busy machine a JVM takes its time
	daemonStop   = 10 * time.Second
)

var (
	masterStarted = regexp.MustCompile(`Starting Spark master at (spark://\S+)`)
	workerStarted = regexp.MustCompile(`(Successfully registered with master)`)
)

// startCluster starts the cluster with the pyspark of a Python environment.
// Whatever it writes is below folder.
func startCluster(ctx context.Context, environment, folder string) (*cluster, error) {
	c := &cluster{python: filepath.Join(environment, "bin", "python"), folder: folder}
	out, err := exec.CommandContext(ctx, c.python, "-c", "import os, pyspark; print(os.path.dirname(pyspark.__file__))").Output()
	if err != nil {
		return nil, fmt.Errorf("%s has no pyspark: %w", environment, err)
	}
	c.home = strings.TrimSpace(string(out))
	for _, sub := range []string{c.workers(), c.configuration()} {
		if err := os.MkdirAll(sub, 0o700); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(c.configuration(), "spark-defaults.conf"), []byte(sparkDefaults), 0o600); err != nil {
		return nil, err
	}
	if err := c.start(ctx); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func (c *cluster) start(ctx context.Context) (err error) {
	if c.url, err = c.daemon(ctx, "master", masterStarted, "org.apache.spark.deploy.master.Master",
		"--host", "127.0.0.1", "--port", "0", "--webui-port", "0"); err != nil {
		return err
	}
	_, err = c.daemon(ctx, "worker", workerStarted, "org.apache.spark.deploy.worker.Worker",
		"--host", "127.0.0.1", "--port", "0", "--webui-port", "0", "--work-dir", c.workers(),
		"--cores", fmt.Sprint(workerCores), "--memory", workerMemory, c.url)
	return err
}

// workers is the folder with the logs of executors.
func (c *cluster) workers() string { return filepath.Join(c.folder, "work") }

// configuration is the folder of spark-defaults.conf.
func (c *cluster) configuration() string { return filepath.Join(c.folder, "conf") }

// sparkDefaults suit a small machine: JVMs that start quickly, few partitions.
// An application is not tried again by Spark itself.
const sparkDefaults = `spark.driver.host               127.0.0.1
spark.driver.bindAddress        127.0.0.1
spark.driver.extraJavaOptions   -XX:+UseSerialGC -XX:TieredStopAtLevel=1
spark.executor.extraJavaOptions -XX:+UseSerialGC -XX:TieredStopAtLevel=1
spark.cores.max                 2
spark.sql.shuffle.partitions    4
spark.task.maxFailures          1
spark.ui.enabled                false
`

// environment is what the daemons and the jobs get besides their own.
func (c *cluster) environment() map[string]string {
	return map[string]string{
		"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": c.python, "PYSPARK_DRIVER_PYTHON": c.python,
		"SPARK_WORKER_DIR": c.workers(), "SPARK_CONF_DIR": c.configuration(), "SPARK_LOCAL_DIRS": filepath.Join(c.folder, "local"),
	}
}

// daemon starts a process of the cluster and returns what started finds in the
// first line of its log that it matches.
func (c *cluster) daemon(ctx context.Context, name string, started *regexp.Regexp, args ...string) (string, error) {
	log, err := os.OpenFile(filepath.Join(c.folder, name+".log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	cmd := exec.Command(filepath.Join(c.home, "bin", "spark-class"), args...)
	cmd.Env = append(os.Environ(), "SPARK_HOME="+c.home, "SPARK_DAEMON_MEMORY=256m", "SPARK_DAEMON_JAVA_OPTS=-XX:+UseSerialGC -XX:TieredStopAtLevel=1")
	for key, value := range c.environment() {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	read, write := io.Pipe()
	cmd.Stdout, cmd.Stderr = write, write
	d := &daemon{name: name, cmd: cmd, started: make(chan error, 1), ended: make(chan struct{})}
	c.daemons = append(c.daemons, d)
	found := make(chan string, 1)
	go func() {
		defer log.Close() //nolint:errcheck // it is for people who look for what went wrong
		follow(read, log, started, found)
	}()
	go d.run(write)
	if err := <-d.started; err != nil {
		return "", fmt.Errorf("start the %s of Spark: %w", name, err)
	}
	timer := time.NewTimer(daemonStart)
	defer timer.Stop()
	select {
	case text := <-found:
		return text, nil
	case <-d.ended:
		return "", fmt.Errorf("the %s of Spark ended; %s says why", name, log.Name())
	case <-timer.C:
		return "", fmt.Errorf("the %s of Spark did not start within %s; %s may say why", name, daemonStart, log.Name())
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// follow copies a log, and sends what started finds first.
func follow(from io.Reader, log io.Writer, started *regexp.Regexp, found chan<- string) {
	lines := bufio.NewReader(from)
	for told := false; ; {
		line, err := lines.ReadString('\n')
		io.WriteString(log, line) //nolint:errcheck // a full disk must not stop the daemon
		if m := started.FindStringSubmatch(line); m != nil && !told {
			told = true
			found <- m[1]
		}
		if err != nil {
			return
		}
	}
}

// daemon is one process of the cluster.
type daemon struct {
	name    string
	cmd     *exec.Cmd
	started chan error
	ended   chan struct{}
}

// run starts the process and waits for it, on one thread: the kernel ends the
// process when that thread ends, and so with the demo, however that ends.
func (d *daemon) run(out *io.PipeWriter) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(d.ended)
	defer out.Close() //nolint:errcheck // it never fails
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	err := d.cmd.Start()
	d.started <- err
	if err == nil {
		d.cmd.Wait() //nolint:errcheck // it is told to end
	}
}

// stop ends the cluster, the worker first: it ends its executors.
func (c *cluster) stop() {
	for i := len(c.daemons) - 1; i >= 0; i-- {
		c.daemons[i].stop()
	}
}

func (d *daemon) stop() {
	if d.cmd.Process == nil {
		return
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := d.cmd.Process.Signal(sig); errors.Is(err, os.ErrProcessDone) {
			break
		}
		timer := time.NewTimer(daemonStop)
		select {
		case <-d.ended:
			timer.Stop()
			return
		case <-timer.C:
		}
	}
	<-d.ended
}
