import Glibc

/// Starts this program anew in the same process, with more in its environment.
///
/// For variables that a library reads while it is loaded. Process number, arguments, descriptors
/// and every other variable stay, so that a launcher does not notice. Call it before anything else:
/// threads end, nothing is flushed.
///
/// - Ranks: local, before MPI is initialised.
/// - Returns: only if the program cannot be started again; the environment is as it was.
public func restart(adding variables: [String: String]) {
  // The path and not /proc/self/exe itself, whose name `ps` would show.
  var path = [CChar](repeating: 0, count: 4096)
  guard readlink("/proc/self/exe", &path, path.count - 1) > 0 else { return }
  for (name, value) in variables { setenv(name, value, 1) }
  execv(path, CommandLine.unsafeArgv)
  for name in variables.keys { unsetenv(name) }
}
