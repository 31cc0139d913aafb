package dev.rialto;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** The programs of the documents are compiled and run against a node, as they stand there. */
class DocumentsTest {
  private static final List<Path> DOCUMENTS = List.of(Path.of("README.md"), Path.of("../../docs/clients/java.md"));
  private static final Pattern PROGRAM = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL);
  private static final Pattern NAME = Pattern.compile("public class (\\w+)");
  private static final String ADDRESS = "http://127.0.0.1:7400";
  private static final long PATIENCE_SECONDS = 60;

  /** What each program prints, among other things. */
  private static final Map<String, List<String>> PRINTED =
      Map.of(
          "Example", List.of("heard by 0, 1 here"),
          "Hello", List.of("Accepted[eventId="),
          "Chat", List.of("ann: hi", "heard by 1", "bob answers gladly", "1 of 2"),
          "Mail", List.of("COMPLETED: sent to ann"),
          "Failing", List.of("NAME_INVALID"),
          "WithTokens", List.of("attached as Attached[session="));

  @TempDir private static Path data;
  private static Process node;
  private static String url;

  @BeforeAll
  static void startNode() throws IOException {
    String binary = System.getenv("RIALTO_BIN");
    assertTrue(
        binary != null && Files.isExecutable(Path.of(binary)),
        "RIALTO_BIN names the binary of a node, and that is missing: `cargo build --workspace` makes target/debug/rialto");
    node =
        new ProcessBuilder(binary, "serve", "--listen", "127.0.0.1:0", "--data", data.resolve("node").toString())
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    BufferedReader lines = new BufferedReader(new InputStreamReader(node.getInputStream(), StandardCharsets.UTF_8));
    String line = lines.readLine();
    assertTrue(line != null && line.contains(" is listening on "), "the node says where it listens, and not: " + line);
    url = "http://" + line.substring(line.indexOf(" is listening on ") + " is listening on ".length()).trim();
  }

  @AfterAll
  static void stopNode() throws InterruptedException {
    if (node != null) {
      node.destroyForcibly().waitFor();
    }
  }

  @TestFactory
  List<DynamicTest> programsRun() throws IOException {
    Map<String, String> programs = new LinkedHashMap<>();
    for (Path document : DOCUMENTS) {
      Matcher program = PROGRAM.matcher(Files.readString(document));
      while (program.find()) {
        Matcher name = NAME.matcher(program.group(1));
        assertTrue(name.find(), "a program is a class");
        programs.put(name.group(1), program.group(1));
      }
    }
    assertEquals(PRINTED.keySet(), programs.keySet());
    return programs.entrySet().stream()
        .map(program -> DynamicTest.dynamicTest(program.getKey(), () -> runs(program.getKey(), program.getValue())))
        .toList();
  }

  private static void runs(String name, String program) throws IOException, InterruptedException {
    Path folder = Files.createDirectories(data.resolve(name));
    Path source = folder.resolve(name + ".java");
    assertTrue(program.contains(ADDRESS));
    Files.writeString(source, program.replace(ADDRESS, url));
    String classpath = System.getProperty("java.class.path");
    int compiled = ToolProvider.getSystemJavaCompiler().run(null, null, null, "-cp", classpath, "-d", folder.toString(), source.toString());
    assertEquals(0, compiled, "it compiles");
    Path printed = folder.resolve("printed");
    Process running =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                folder + System.getProperty("path.separator") + classpath,
                name)
            .redirectErrorStream(true)
            .redirectOutput(printed.toFile())
            .start();
    assertTrue(running.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS), "it ends");
    String text = Files.readString(printed);
    assertEquals(0, running.exitValue(), text);
    for (String expected : PRINTED.get(name)) {
      assertTrue(text.contains(expected), () -> expected + " is not printed, but:\n" + text);
    }
    assertFalse(text.contains("Exception"), text);
  }
}
