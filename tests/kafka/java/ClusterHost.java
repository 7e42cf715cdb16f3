import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

/**
 * Keeps the nodes of a cluster, each a {@link BrokerHost} in a process of its own, beside the {@link Commands}.
 *
 * Arguments: the cluster's folder, its address, then the options of a node's JVM. Node {@code N} has the file
 * {@code node-N/server.properties}, and logs to {@code node-N.log}. When standard input ends all nodes are killed and the
 * folder is deleted. Should this process be killed itself, its nodes see their own standard input end; one that is
 * paused is first woken by the shell that paused it.
 */
public final class ClusterHost {
    private final Path folder;
    private final String bootstrap;
    private final List<String> options;
    private final Map<String, Process> nodes = new TreeMap<>();
    /** Of each paused node, the shell that wakes it when its standard input ends. */
    private final Map<String, Process> pauses = new TreeMap<>();
    private boolean keep;

    private ClusterHost(Path folder, String bootstrap, List<String> options) {
        this.folder = folder;
        this.bootstrap = bootstrap;
        this.options = options;
    }

    public static void main(String[] args) throws InterruptedException {
        List<String> options = List.of(args).subList(2, args.length);
        ClusterHost host = new ClusterHost(Path.of(args[0]), args[1], options);
        Commands commands = new Commands(args[1]);
        commands.add("start", arguments -> host.start(arguments.get(0)));
        commands.add("kill", arguments -> host.end(arguments, ProcessHandle::destroyForcibly));
        commands.add("terminate", arguments -> host.end(arguments, ProcessHandle::destroy));
        commands.add("pause", arguments -> host.pause(arguments.get(0)));
        commands.add("resume", arguments -> host.resume(arguments.get(0)));
        commands.add("keep", arguments -> host.keep = true);
        commands.serve();
        host.close();
        Runtime.getRuntime().halt(0);
    }

    private void start(String node) throws IOException {
        Path home = folder.resolve("node-" + node);
        List<String> command = new ArrayList<>(List.of(ProcessHandle.current().info().command().orElse("java")));
        command.addAll(options);
        command.addAll(List.of("-cp", ManagementFactory.getRuntimeMXBean().getClassPath(), BrokerHost.class.getName()));
        command.addAll(List.of(home.resolve("server.properties").toString(), home.toString(), bootstrap));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        File log = folder.resolve("node-" + node + ".log").toFile();
        nodes.put(node, builder.redirectOutput(ProcessBuilder.Redirect.appendTo(log)).start());
    }

    /** A process's handle leaves its standard input open; a node that saw that end would not shut down in good order. */
    private interface End {
        boolean of(ProcessHandle process);
    }

    private void end(List<String> ending, End end) throws InterruptedException {
        for (String node : ending) {
            end.of(nodes.get(node).toHandle());
        }
        for (String node : ending) {
            Process process = nodes.remove(node);
            if (!process.waitFor(30, TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
            }
        }
    }

    private void pause(String node) throws Exception {
        Process shell = new ProcessBuilder("sh", "-c", "kill -STOP $1 && echo; read line; kill -CONT $1", "sh",
            Long.toString(nodes.get(node).pid())).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        pauses.put(node, shell);
        if (shell.getInputStream().read() < 0) {
            throw new IllegalStateException("node " + node + " cannot be paused");
        }
    }

    private void resume(String node) throws Exception {
        Process shell = pauses.remove(node);
        shell.getOutputStream().close();
        shell.waitFor();
    }

    private void close() throws InterruptedException {
        nodes.values().forEach(Process::destroyForcibly);
        for (Process node : nodes.values()) {
            node.waitFor();
        }
        if (!keep) {
            Folder.delete(folder);
        }
    }
}
