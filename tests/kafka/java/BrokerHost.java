import java.nio.file.Path;

/**
 * One Kafka node, and the {@link Commands} of its cluster.
 *
 * Arguments: the broker's properties file, its folder, its address. When standard input ends the node stops at once and
 * its folder is deleted.
 */
public final class BrokerHost {
    public static void main(String[] args) {
        String properties = args[0];
        Path folder = Path.of(args[1]);
        Commands commands = new Commands(args[2]);
        new Thread(() -> {
            commands.serve();
            Folder.delete(folder);
            Runtime.getRuntime().halt(0);
        }, "commands").start();
        int formatted = kafka.tools.StorageTool.execute(new String[] {"format", "--ignore-formatted",
            "--cluster-id", "kafkaProducerTestsAAAA", "--config", properties}, System.err);
        if (formatted != 0) {
            Runtime.getRuntime().halt(formatted);
        }
        kafka.Kafka.main(new String[] {properties});
    }
}
