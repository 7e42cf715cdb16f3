import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Scanner;
import java.util.concurrent.locks.LockSupport;

/**
 * One Kafka node of any release, with the ZooKeeper that it may need in the same process.
 *
 * Arguments: the node's folder and its port. In the folder, {@code server.properties} is the node's, and where there is a
 * {@code zookeeper.properties}, ZooKeeper is started with that; otherwise the node's log folder is formatted first. Any
 * line of standard input is answered with {@code ok} once the port is open. When the input ends, the node stops at once
 * and its folder is deleted.
 *
 * Releases have no classes of Kafka's in common, hence the names in strings.
 */
public final class ReleaseHost {
    private ReleaseHost() {
    }

    public static void main(String[] args) throws Exception {
        Path folder = Path.of(args[0]);
        int port = Integer.parseInt(args[1]);
        new Thread(() -> {
            serve(port);
            Folder.delete(folder);
            Runtime.getRuntime().halt(0);
        }, "commands").start();
        logTo(folder);
        Path zookeeper = folder.resolve("zookeeper.properties");
        String properties = folder.resolve("server.properties").toString();
        if (Files.exists(zookeeper)) {
            run("org.apache.zookeeper.server.quorum.QuorumPeerMain", zookeeper.toString());
        } else {
            format(properties);
        }
        run("kafka.Kafka", properties);
    }

    /**
     * The requests, and what is wrong. Older releases log through Log4j, one of them requests only in its finest level; the
     * others log through SLF4J's simple logger.
     */
    private static void logTo(Path folder) throws IOException {
        Path log4j = folder.resolve("log4j.properties");
        Files.writeString(log4j, """
            log4j.rootLogger=WARN, error
            log4j.appender.error=org.apache.log4j.ConsoleAppender
            log4j.appender.error.Target=System.err
            log4j.appender.error.layout=org.apache.log4j.PatternLayout
            log4j.appender.error.layout.ConversionPattern=%p %c - %m%n
            log4j.logger.kafka.request.logger=TRACE
            """);
        System.setProperty("log4j.configuration", log4j.toUri().toString());
        System.setProperty("org.slf4j.simpleLogger.log.kafka.request.logger", "debug");
    }

    private static void format(String properties) throws Exception {
        String[] arguments = {"format", "--cluster-id", "kafkaProducerTestsAAAA", "--config", properties};
        Class<?> tool = Class.forName("kafka.tools.StorageTool");
        Object status = tool.getMethod("execute", String[].class, PrintStream.class).invoke(null, arguments, System.err);
        if (!status.equals(0)) {
            throw new IllegalStateException("the log folder could not be formatted");
        }
    }

    private static void run(String name, String properties) throws Exception {
        var main = Class.forName(name).getMethod("main", String[].class);
        new Thread(() -> {
            try {
                main.invoke(null, (Object) new String[] {properties});
            } catch (IllegalAccessException | InvocationTargetException e) {
                e.printStackTrace();
                Runtime.getRuntime().halt(1);
            }
        }, name).start();
    }

    private static void serve(int port) {
        Scanner commands = new Scanner(System.in);
        while (commands.hasNextLine()) {
            commands.nextLine();
            awaitPort(port);
            System.out.println("ok");
        }
    }

    /** Returns when somebody listens there; a node that cannot start ends this process. */
    private static void awaitPort(int port) {
        boolean open = false;
        while (!open) {
            try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
                open = socket.isConnected();
            } catch (IOException notYet) {
                LockSupport.parkNanos(50_000_000);
            }
        }
    }
}
