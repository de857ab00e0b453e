import MecaCore
import Testing

@Suite struct StandardErrorTests {
  @Test(arguments: [
    ("a plain line, ü, 路", "a plain line, ü, 路"), ("", ""), ("two\nlines\r\n", "two lines"),
    ("a\tb\u{0}c\u{1B}[31m\u{7F}", "a b?c?[31m?"), ("\u{2028}x\u{85}y", "x y"),
  ])
  func anErrorStaysOneLine(text: String, shown: String) { #expect(oneLine(text) == shown) }
}
