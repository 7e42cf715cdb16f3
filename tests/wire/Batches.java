import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;

/**
 * Reads record batches with Kafka's own classes.
 *
 * <p>Each line of the input is a batch or a message set as hexadecimal digits. The output says for each what Java finds in
 * it, and then the bytes that Java builds of the same records in the same format without compression.
 */
public final class Batches {
    public static void main(String[] arguments) throws IOException {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(HexFormat.of().parseHex(line)));
            List<MutableRecordBatch> batches = new ArrayList<>();
            records.batches().forEach(batches::add);
            if (batches.isEmpty() || records.validBytes() != records.sizeInBytes()) {
                System.out.println("bytes that are no batch behind " + batches);
            } else {
                System.out.println(described(batches) + "\t" + rebuilt(batches));
            }
        }
    }

    /** Before version 2 each message that is not compressed is a batch of its own. */
    private static String described(List<MutableRecordBatch> batches) {
        List<String> told = new ArrayList<>();
        for (RecordBatch batch : batches) {
            batch.ensureValid();
            told.add(String.format("v%d %s %s offsets %d-%d count %d producer %d/%d sequence %d max %d",
                batch.magic(), batch.compressionType().name, batch.timestampType(), batch.baseOffset(),
                batch.lastOffset(), batch.countOrNull(), batch.producerId(), batch.producerEpoch(),
                batch.baseSequence(), batch.maxTimestamp()));
            describe(batch, told);
        }
        return String.join("; ", told);
    }

    private static void describe(RecordBatch batch, List<String> told) {
        for (Record record : batch) {
            record.ensureValid();
            List<String> headers = new ArrayList<>();
            for (Header header : record.headers()) {
                headers.add(HexFormat.of().formatHex(header.key().getBytes(java.nio.charset.StandardCharsets.UTF_8))
                    + "=" + digits(header.value() == null ? null : ByteBuffer.wrap(header.value())));
            }
            told.add(String.format("%d %d %s %s %s", record.offset(), record.timestamp(), digits(record.key()),
                digits(record.value()), headers));
        }
    }

    private static String rebuilt(List<MutableRecordBatch> batches) {
        RecordBatch batch = batches.get(0);
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1024), batch.magic(),
            Compression.NONE, TimestampType.CREATE_TIME, 0, RecordBatch.NO_TIMESTAMP, batch.producerId(),
            batch.producerEpoch(), batch.baseSequence(), false, RecordBatch.NO_PARTITION_LEADER_EPOCH);
        for (RecordBatch part : batches) {
            for (Record record : part) {
                builder.append(record.timestamp(), record.key(), record.value(), record.headers());
            }
        }
        return digits(builder.build().buffer());
    }

    private static String digits(ByteBuffer bytes) {
        if (bytes == null) {
            return "null";
        }
        byte[] copy = new byte[bytes.remaining()];
        bytes.duplicate().get(copy);
        return HexFormat.of().formatHex(copy);
    }

    private Batches() {
    }
}
