import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.CompactArrayOf;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.requests.RequestHeader;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.utils.ByteUtils;

/**
 * Reads, writes and makes up messages with the classes that Kafka generates from its schemas.
 *
 * <p>Each line of the input is a message: its kind, the number of its API, its version, and either its bytes as hexadecimal
 * digits or, for one that is to be made up, "?" and a seed. A request has its header. The output has for each line the
 * bytes that Java writes for the message, or "unknown" where this release does not know the version.
 */
public final class Messages {
    private static final int ROOM = 1 << 20;

    public static void main(String[] arguments) throws IOException {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] fields = line.split("\t", -1);
            boolean isRequest = fields[0].equals("request");
            ApiMessageType type = ApiMessageType.fromApiKey(Short.parseShort(fields[1]));
            short version = Short.parseShort(fields[2]);
            if (version < type.lowestSupportedVersion() || version > type.highestSupportedVersion(true)) {
                System.out.println("unknown");
            } else {
                ByteBuffer bytes = fields[3].startsWith("?")
                    ? madeUp(type, isRequest, version, new Random(Long.parseLong(fields[3].substring(1))))
                    : ByteBuffer.wrap(HexFormat.of().parseHex(fields[3]));
                System.out.println(rewritten(bytes, type, isRequest, version));
            }
        }
    }

    /** What Java writes for the message that it reads from the bytes, of which nothing may be left. */
    private static String rewritten(ByteBuffer bytes, ApiMessageType type, boolean isRequest, short version) {
        String header = "";
        if (isRequest) {
            RequestHeader read = RequestHeader.parse(bytes);
            if (read.apiKey().id != type.apiKey() || read.apiVersion() != version) {
                return "header of another message: " + read;
            }
            header = digits(read.data(), read.headerVersion());
        }
        ApiMessage message = isRequest ? type.newRequest() : type.newResponse();
        message.read(new ByteBufferAccessor(bytes), version);
        if (bytes.hasRemaining()) {
            return bytes.remaining() + " bytes left behind " + message;
        }
        return header + digits(message, version);
    }

    private static String digits(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer out = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(out), cache, version);
        return HexFormat.of().formatHex(out.array());
    }

    private static ByteBuffer madeUp(ApiMessageType type, boolean isRequest, short version, Random random) {
        ByteBuffer out = ByteBuffer.allocate(ROOM);
        if (isRequest) {
            short headerVersion = type.requestHeaderVersion(version);
            out.putShort(type.apiKey()).putShort(version).putInt(random.nextInt());
            Type.NULLABLE_STRING.write(out, random.nextBoolean() ? null : text(random));
            if (headerVersion >= 2) {
                ByteUtils.writeUnsignedVarint(0, out);
            }
        }
        write(isRequest ? type.requestSchemas()[version] : type.responseSchemas()[version], out, random);
        return out.flip();
    }

    /** Writes a random value. */
    private static void write(Type type, ByteBuffer out, Random random) {
        if (type instanceof Schema schema) {
            for (BoundField field : schema.fields()) {
                write(field.def.type, out, random);
            }
        } else if (type instanceof TaggedFields tagged) {
            writeTagged(tagged, out, random);
        } else if (type.isArray()) {
            boolean isNull = type.isNullable() && random.nextInt(8) == 0;
            int length = isNull ? -1 : random.nextInt(random.nextInt(32) == 0 ? 150 : 4);
            if (type instanceof CompactArrayOf) {
                ByteUtils.writeUnsignedVarint(length + 1, out);
            } else {
                out.putInt(length);
            }
            for (int i = 0; i < length; i++) {
                write(type.arrayElementType().get(), out, random);
            }
        } else {
            writeSimple(type, out, random);
        }
    }

    private static void writeTagged(TaggedFields type, ByteBuffer out, Random random) {
        Map<Integer, ByteBuffer> chosen = new TreeMap<>();
        for (Map.Entry<Integer, Field> field : fields(type).entrySet()) {
            if (random.nextBoolean()) {
                ByteBuffer value = ByteBuffer.allocate(ROOM);
                write(field.getValue().type, value, random);
                chosen.put(field.getKey(), value.flip());
            }
        }
        ByteUtils.writeUnsignedVarint(chosen.size(), out);
        chosen.forEach((tag, value) -> {
            ByteUtils.writeUnsignedVarint(tag, out);
            ByteUtils.writeUnsignedVarint(value.remaining(), out);
            out.put(value);
        });
    }

    /** Older releases do not tell. */
    @SuppressWarnings("unchecked")
    private static Map<Integer, Field> fields(TaggedFields type) {
        try {
            java.lang.reflect.Field fields = TaggedFields.class.getDeclaredField("fields");
            fields.setAccessible(true);
            return (Map<Integer, Field>) fields.get(type);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void writeSimple(Type type, ByteBuffer out, Random random) {
        boolean isNull = type.isNullable() && random.nextInt(4) == 0;
        switch (type.toString()) {
            case "BOOLEAN" -> type.write(out, random.nextBoolean());
            case "INT8" -> type.write(out, (byte) integer(random));
            case "INT16" -> type.write(out, (short) integer(random));
            case "UINT16" -> type.write(out, (int) integer(random) & 0xffff);
            case "INT32" -> type.write(out, (int) integer(random));
            case "INT64" -> type.write(out, integer(random));
            case "UUID" -> type.write(out, new Uuid(random.nextLong(), random.nextLong()));
            case "STRING", "COMPACT_STRING" -> type.write(out, text(random));
            case "NULLABLE_STRING", "COMPACT_NULLABLE_STRING" -> type.write(out, isNull ? null : text(random));
            // On the wire records are bytes, and no producer leaves them out.
            case "RECORDS", "NULLABLE_RECORDS" -> Type.BYTES.write(out, bytes(random));
            case "COMPACT_RECORDS", "COMPACT_NULLABLE_RECORDS" -> Type.COMPACT_BYTES.write(out, bytes(random));
            default -> throw new IllegalArgumentException("a type without random values: " + type);
        }
    }

    private static long integer(Random random) {
        long[] edges = {0, 1, -1, 127, 128, 16_384, Long.MAX_VALUE, Long.MIN_VALUE};
        return random.nextBoolean() ? edges[random.nextInt(edges.length)] : random.nextLong();
    }

    private static String text(Random random) {
        String[] characters = {"a", "Z", "9", ".", "\u00e9", "\u4e16", "\ud83e\udd80"};
        StringBuilder text = new StringBuilder();
        for (int left = random.nextInt(random.nextInt(8) == 0 ? 300 : 12); left > 0; left--) {
            text.append(characters[random.nextInt(characters.length)]);
        }
        return text.toString();
    }

    private static ByteBuffer bytes(Random random) {
        byte[] bytes = new byte[random.nextInt(300)];
        random.nextBytes(bytes);
        return ByteBuffer.wrap(bytes);
    }

    private Messages() {
    }
}
