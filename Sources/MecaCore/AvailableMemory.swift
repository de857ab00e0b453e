import Foundation

/// Bytes that programs on this machine may still take; nil where the system does not tell.
///
/// The smallest of what the machine has left (`MemAvailable` of `/proc/meminfo`) and what the control
/// group of this process and those above it allow, as schedulers and containers set them (version 2,
/// `memory.max`; the file cache, which gives way, is not counted as taken).
///
/// - Ranks: local.
public func availableMemory() -> Int? {
  availableMemory(
    meminfo: "/proc/meminfo", groups: controlGroupFolders(list: "/proc/self/cgroup"))
}

/// The same from other files, for the tests.
package func availableMemory(meminfo: String, groups: [String]) -> Int? {
  let machine = value(of: "MemAvailable:", inFile: meminfo).map { $0 * 1024 }
  let allowed = groups.compactMap { folder -> Int? in
    guard let limit = number(inFile: folder + "/memory.max"),
      let used = number(inFile: folder + "/memory.current")
    else { return nil }
    let cache = ["active_file", "inactive_file"].reduce(0) {
      $0 + (value(of: $1, inFile: folder + "/memory.stat") ?? 0)
    }
    return max(0, limit - used + cache)
  }
  return (allowed + [machine].compactMap { $0 }).min()
}

/// The folders of this process's control group and of those above it.
private func controlGroupFolders(list: String) -> [String] {
  let root = "/sys/fs/cgroup"
  guard let line = text(ofFile: list)?.split(separator: "\n").first(where: { $0.hasPrefix("0::") })
  else { return [] }
  var folders = [root]
  for name in line.dropFirst(3).split(separator: "/") {
    folders.append(folders[folders.count - 1] + "/" + name)
  }
  return folders
}

private func text(ofFile path: String) -> String? {
  try? String(contentsOfFile: path, encoding: .utf8)
}

private func number(inFile path: String) -> Int? {
  text(ofFile: path).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
}

/// The number behind `key` in a file of lines `key number …`.
private func value(of key: String, inFile path: String) -> Int? {
  for line in (text(ofFile: path) ?? "").split(separator: "\n") {
    let words = line.split(separator: " ")
    if words.count > 1, words[0] == key { return Int(words[1]) }
  }
  return nil
}
