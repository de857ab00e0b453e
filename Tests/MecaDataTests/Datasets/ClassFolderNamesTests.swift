import MecaDatasets
import Testing

@Suite struct ClassFolderNamesTests {
  @Test func foldersAreSafeAndTellTheClassesApart() {
    let names = [
      "cat", "t-shirt/top", ".", "..", "ape", "Ape", "", "a b", "~4", "50%", "v1.2", "é", ".hid",
      "end.", String(repeating: "/", count: 100), "nul\0",
    ]
    let folders = classFolderNames(names)
    #expect(
      folders == [
        "cat", "t-shirt%2Ftop", "%2E", "%2E%2E", "~4", "~5", "~6", "a%20b", "%7E4", "50%25", "v1.2",
        "%C3%A9", "%2Ehid", "end%2E", "~14", "nul%00",
      ])
    #expect(Set(folders.map { $0.lowercased() }).count == names.count)
  }
}
