extension Communicator {
  /// This rank's place among the ranks on its machine, from 0, and how many they are.
  ///
  /// For work that has to be done once on every machine, such as looking through a file that each
  /// might have its own copy of.
  ///
  /// - Ranks: collective.
  public func placeOnHost() throws -> (place: Int, count: Int) {
    let hosts = try allGatherText(host)
    return (
      hosts[..<rank].filter { $0 == host }.count, hosts.filter { $0 == host }.count
    )
  }
}
