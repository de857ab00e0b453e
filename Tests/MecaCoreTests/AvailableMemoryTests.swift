import Foundation
import MecaCore
import Testing

@Suite struct AvailableMemoryTests {
  @Test func theSmallestOfMachineAndGroupsCounts() throws {
    let folder = NSTemporaryDirectory() + "meca-core-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func write(_ name: String, _ text: String) throws {
      let path = folder + "/" + name
      try FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      try text.write(toFile: path, atomically: false, encoding: .utf8)
    }
    try write("meminfo", "MemTotal:  9000 kB\nMemAvailable:    5000 kB\n")
    try write("job/memory.max", "4000000\n")
    try write("job/memory.current", "3500000\n")
    try write("job/memory.stat", "anon 500000\nactive_file 1000000\ninactive_file 2000000\n")
    try write("free/memory.max", "max\n")
    try write("free/memory.current", "1\n")
    let meminfo = folder + "/meminfo"
    #expect(availableMemory(meminfo: meminfo, groups: []) == 5_120_000)
    #expect(availableMemory(meminfo: meminfo, groups: [folder + "/free"]) == 5_120_000)
    #expect(
      availableMemory(meminfo: meminfo, groups: [folder + "/free", folder + "/job"]) == 3_500_000)
    #expect(availableMemory(meminfo: folder + "/none", groups: [folder + "/none"]) == nil)
  }

  @Test func thisMachineHasSome() throws {
    #expect(try #require(availableMemory()) > 1 << 20)
  }
}
