// Files of the journal: a header, the name of the part, its bytes.
#include "base/run_journal.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/checksum.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/staging_folder.h"

namespace prunenet {
namespace fs = std::filesystem;

namespace {

constexpr std::array<char, 8> kMagic{'P', 'R', 'N', 'J', 'R', 'N', 'L', '1'};
constexpr size_t kAlignment = 64;  // of a part's bytes in its file
constexpr std::string_view kPartEnding = ".part", kNewEnding = ".new";
constexpr std::string_view kIdentityFile = "identity.part";
constexpr size_t kHashDigits = 32;
constexpr size_t kSmallestMapping = 64 << 10;
constexpr uint64_t kLongestName = 1 << 20;  // that is looked at

struct Header {
  std::array<char, 8> magic = kMagic;
  uint64_t name_bytes = 0, part_bytes = 0;
  uint64_t sum = 0;  // of the name and the bytes
};

// Zeros follow the name up to here.
uint64_t offset_of_bytes(uint64_t name_bytes) {
  return (sizeof(Header) + name_bytes + kAlignment - 1) / kAlignment * kAlignment;
}

uint64_t sum_of(const std::string& name, std::span<const std::byte> bytes) {
  return checksum(bytes, checksum(std::as_bytes(std::span(name))));
}

// Names come with tensors, and those may hold anything and be of any length: files are called by their hash.
std::string file_of(const std::string& name) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(name)));
  return hash.hex_digest().substr(0, kHashDigits) + std::string(kPartEnding);
}

bool is_hash(std::string_view text) {
  return text.size() == kHashDigits && text.find_first_not_of("0123456789abcdef") == text.npos;
}
bool is_part(std::string_view file) {
  return file.ends_with(kPartEnding) && is_hash(file.substr(0, file.size() - kPartEnding.size()));
}
bool is_ours(std::string_view file) {
  const bool is_new = file.ends_with(kNewEnding);
  if (is_new) file.remove_suffix(kNewEnding.size());
  return is_part(file) || file == kIdentityFile;
}

std::vector<std::byte> packed(const RunJournal::Identity& identity) {
  std::vector<std::byte> bytes;
  const auto add = [&](const std::string& text) {
    const uint64_t size = text.size();
    const auto length = std::as_bytes(std::span(&size, 1));
    bytes.insert(bytes.end(), length.begin(), length.end());
    const auto content = std::as_bytes(std::span(text));
    bytes.insert(bytes.end(), content.begin(), content.end());
  };
  for (const auto& [name, value] : identity) {
    add(name);
    add(value);
  }
  return bytes;
}

std::optional<RunJournal::Identity> unpacked(std::span<const std::byte> bytes) {
  std::vector<std::string> texts;
  while (!bytes.empty()) {
    uint64_t size = 0;
    if (bytes.size() < sizeof size) return std::nullopt;
    std::memcpy(&size, bytes.data(), sizeof size);
    bytes = bytes.subspan(sizeof size);
    if (size > bytes.size()) return std::nullopt;
    texts.emplace_back(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(size));
    bytes = bytes.subspan(static_cast<size_t>(size));
  }
  if (texts.size() % 2 != 0) return std::nullopt;
  RunJournal::Identity identity;
  for (size_t i = 0; i < texts.size(); i += 2) identity.emplace_back(texts[i], texts[i + 1]);
  return identity;
}

void write_all(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), std::min<size_t>(bytes.size(), size_t{1} << 30));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw std::system_error(errno, std::generic_category());
    if (count == 0) throw std::system_error(ENOSPC, std::generic_category());
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
}

// False, and errno says why, where the file ends before.
bool read_whole(int descriptor, off_t offset, void* to, size_t size) {
  for (size_t done = 0; done < size;) {
    const ssize_t count =
        ::pread(descriptor, static_cast<std::byte*>(to) + done, size - done, offset + static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) errno = EIO;
    if (count <= 0) return false;
    done += static_cast<size_t>(count);
  }
  return true;
}

}  // namespace

// A file of the journal: mapped whole; a small one in memory, since a process may have only so many mappings, and a
// journal has thousands of parts.
class RunJournal::Part {
 public:
  /// Of a file of `size` bytes, in which the part begins at `offset`. Null, and errno says why, where it cannot be
  /// read.
  static std::unique_ptr<Part> of(int descriptor, size_t size, uint64_t offset) {
    auto part = std::unique_ptr<Part>(new Part(size, offset));
    return part->fill(descriptor) ? std::move(part) : nullptr;
  }
  ~Part() {
    if (data_ == nullptr) return;
    if (is_small()) {
      ::operator delete(data_, std::align_val_t(kAlignment));
    } else {
      ::munmap(data_, size_);
    }
  }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  const std::byte* file() const { return static_cast<const std::byte*>(data_); }
  std::span<const std::byte> bytes() const { return {file() + offset_, size_ - offset_}; }
  void let_go() const {
    if (!is_small()) ::madvise(data_, size_, MADV_DONTNEED);
  }

 private:
  Part(size_t size, uint64_t offset) : size_(size), offset_(static_cast<size_t>(offset)) {}

  bool is_small() const { return size_ < kSmallestMapping; }
  bool fill(int descriptor) {
    if (!is_small()) {
      void* const address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
      if (address != MAP_FAILED) data_ = address;
      return data_ != nullptr;
    }
    data_ = ::operator new(size_, std::align_val_t(kAlignment));
    return read_whole(descriptor, 0, data_, size_);
  }

  void* data_ = nullptr;
  size_t size_, offset_;
};

fs::path journal_path(const fs::path& target) {
  return target.parent_path() / ("." + target.filename().string() + ".prunenet-journal");
}

namespace {

fs::path finished_path(const fs::path& journal) {
  return journal.string() + "-done";
}

// Of a folder that is open. Ours alone, by their names; what else lies there stays. What says which run they belong to
// goes first: without it, no run goes on from the others.
void clear_files(int folder) noexcept {
  ::unlinkat(folder, std::string(kIdentityFile).c_str(), 0);
  const int descriptor = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  DIR* stream = ::fdopendir(descriptor);
  if (stream == nullptr) {
    ::close(descriptor);
    return;
  }
  while (const dirent* entry = ::readdir(stream)) {
    if (is_ours(entry->d_name)) ::unlinkat(descriptor, entry->d_name, 0);
  }
  ::closedir(stream);
}

// And the folder, where nothing else is in it.
void clear_folder(const fs::path& folder) noexcept {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) return;
  clear_files(descriptor);
  ::close(descriptor);
  ::rmdir(folder.c_str());
}

}  // namespace

void RunJournal::clear_finished(const fs::path& target) noexcept {
  clear_folder(finished_path(journal_path(target)));
}

RunJournal::RunJournal(const fs::path& target, Identity identity, Opening opening)
    : folder_(journal_path(target)), identity_(std::move(identity)) {
  if (!open_folder()) return;
  try {
    lock();
    read_folder(opening);
  } catch (...) {
    close();
    throw;
  }
}

RunJournal::~RunJournal() {
  try {
    if (descriptor_ >= 0 && num_parts() == 0) finish();
  } catch (const Error&) {  // a folder that cannot be read now stays
  }
  close();
}

void RunJournal::close() noexcept {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

// False where there is none.
bool RunJournal::open_folder() {
  descriptor_ = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor_ >= 0) return true;
  if (errno == ENOENT) return false;
  if (errno == ENOTDIR || errno == ELOOP)
    fail(ErrorCode::kExists, folder_.string(),
         "is no folder: what this run finishes would be kept there; move it away");
  fail_errno(folder_.string(), "open the folder of an earlier run");
}

void RunJournal::make_folder() {
  std::error_code error;
  const fs::path parent = folder_.parent_path();
  for (fs::path path = parent; !is_there(path) && path != path.parent_path(); path = path.parent_path())
    created_parents_.push_back(path);
  bool is_new = false;
  try {
    fs::create_directories(parent, error);
    if (error) fail(ErrorCode::kIo, parent.string(), "cannot create the folder: {}", error.message());
    is_new = ::mkdir(folder_.c_str(), 0777) == 0;
    if (!is_new && errno != EEXIST) fail_errno(folder_.string(), "create the folder that keeps what is finished");
    if (!open_folder()) fail(ErrorCode::kExists, folder_.string(), "another process is at work on this output");
    lock();
    if (!file_names().empty()) {  // between opening and now, another run came and went
      fail(ErrorCode::kExists, folder_.string(),
           "another process has worked on this output meanwhile; the same command again goes on from what it left");
    }
    const std::vector<std::byte> bytes = packed(identity_);
    write_part(std::string(kIdentityFile), "identity", bytes);
  } catch (...) {
    close();
    if (is_new) ::rmdir(folder_.c_str());
    for (const fs::path& path : created_parents_) ::rmdir(path.c_str());
    created_parents_.clear();
    throw;
  }
}

// As StagingFolder does: the lock must be that of the folder which has the name now.
void RunJournal::lock() {
  struct stat held {
  }, named{};
  const bool locked_out = ::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  const bool is_named = ::fstat(descriptor_, &held) == 0 && ::lstat(folder_.c_str(), &named) == 0 &&
                        held.st_dev == named.st_dev && held.st_ino == named.st_ino;
  if (locked_out || !is_named)
    fail(ErrorCode::kExists, folder_.string(), "another process is at work on this output just now");
}

// Ours alone, by their names; whatever else lies there is none of our business.
std::vector<std::string> RunJournal::file_names() const {
  std::vector<std::string> names;
  const int descriptor = ::openat(descriptor_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail_errno(folder_.string(), "read the folder");
  DIR* stream = ::fdopendir(descriptor);
  if (stream == nullptr) {
    ::close(descriptor);
    fail_errno(folder_.string(), "read the folder");
  }
  while (const dirent* entry = ::readdir(stream)) {
    if (is_ours(entry->d_name)) names.emplace_back(entry->d_name);
  }
  ::closedir(stream);
  return names;
}

// Throws with the first difference.
void RunJournal::refuse_other(const Identity& known) const {
  std::string difference = "another command, or another version of the program";
  for (size_t i = 0; i < std::max(known.size(), identity_.size()); ++i) {
    const auto before = i < known.size() ? known[i] : std::pair(identity_[i].first, std::string());
    const auto now = i < identity_.size() ? identity_[i] : std::pair(before.first, std::string());
    if (before == now) continue;
    const auto words = [](const std::string& value) { return value.empty() ? "not given" : "'" + value + "'"; };
    difference = fmt::format("another: {} was {} there and is {} now", before.first, words(before.second),
                             words(before.first == now.first ? now.second : ""));
    break;
  }
  fail(
      ErrorCode::kMismatch, folder_.string(),
      "holds what an unfinished run for the same output has done, and that was {}; the former command goes on with it, "
      "--restart begins anew, another output leaves it alone",
      difference);
}

void RunJournal::read_folder(Opening opening) {
  std::vector<std::string> parts;
  for (const std::string& file : file_names()) {
    if (file.ends_with(kNewEnding)) ::unlinkat(descriptor_, file.c_str(), 0);  // of a run that was killed
    if (is_part(file)) parts.push_back(file);
  }
  const auto identity = read_part(std::string(kIdentityFile), "identity");
  const auto known = identity ? unpacked(identity->bytes()) : std::nullopt;
  const bool is_same = known == identity_;
  if (!is_same && known && !parts.empty() && opening == Opening::kGoOn) refuse_other(*known);
  if (is_same && opening == Opening::kGoOn) {
    num_found_ = parts.size();
    return;
  }
  // Begun anew, of another run that finished nothing, or without a word of which run it was.
  for (const std::string& file : parts) ::unlinkat(descriptor_, file.c_str(), 0);
  const std::vector<std::byte> bytes = packed(identity_);
  write_part(std::string(kIdentityFile), "identity", bytes);
}

int RunJournal::open_part(const std::string& file) const {
  return ::openat(descriptor_, file.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
}

// The name that a file of the journal says it has; its part is not looked at.
std::optional<std::string> RunJournal::name_in(const std::string& file) const {
  const int descriptor = open_part(file);
  if (descriptor < 0) return std::nullopt;
  struct stat status {};
  Header header;
  std::string name;
  bool good = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) &&
              read_whole(descriptor, 0, &header, sizeof header) && header.magic == kMagic &&
              header.name_bytes <= kLongestName;
  if (good) {
    name.resize(static_cast<size_t>(header.name_bytes));
    good = read_whole(descriptor, sizeof header, name.data(), name.size());
  }
  ::close(descriptor);
  if (!good) return std::nullopt;
  return name;
}

// Nothing for what is no whole part of that name.
std::unique_ptr<RunJournal::Part> RunJournal::read_part(const std::string& file, const std::string& name) const {
  const int descriptor = open_part(file);
  if (descriptor < 0) return nullptr;
  struct stat status {};
  const uint64_t offset = offset_of_bytes(name.size());
  const bool may_be =
      ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && static_cast<uint64_t>(status.st_size) >= offset;
  const auto size = static_cast<size_t>(status.st_size);
  auto part = may_be ? Part::of(descriptor, size, offset) : nullptr;
  ::close(descriptor);
  if (!part) return nullptr;
  Header header;
  std::memcpy(&header, part->file(), sizeof header);
  const bool fits = header.magic == kMagic && header.name_bytes == name.size() && header.part_bytes == size - offset &&
                    std::memcmp(part->file() + sizeof header, name.data(), name.size()) == 0;
  if (!fits || header.sum != sum_of(name, part->bytes())) return nullptr;
  part->let_go();
  return part;
}

std::unique_ptr<RunJournal::Part> RunJournal::write_part(const std::string& file, const std::string& name,
                                                         std::span<const std::byte> bytes) {
  const std::string temporary = file + std::string(kNewEnding);
  Header header;
  header.name_bytes = name.size();
  header.part_bytes = bytes.size();
  header.sum = sum_of(name, bytes);
  const uint64_t offset = offset_of_bytes(name.size());
  std::vector<std::byte> head(static_cast<size_t>(offset));
  std::memcpy(head.data(), &header, sizeof header);
  std::memcpy(head.data() + sizeof header, name.data(), name.size());

  ::unlinkat(descriptor_, temporary.c_str(), 0);
  int descriptor = ::openat(descriptor_, temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (descriptor < 0) fail_errno(folder_.string(), "keep what is finished");
  try {
    write_all(descriptor, head);
    write_all(descriptor, bytes);
    auto part = Part::of(descriptor, head.size() + bytes.size(), offset);
    if (!part) throw std::system_error(errno, std::generic_category());
    // Network file systems and quotas may say only now that there was no room.
    if (::close(std::exchange(descriptor, -1)) != 0) throw std::system_error(errno, std::generic_category());
    if (::renameat(descriptor_, temporary.c_str(), descriptor_, file.c_str()) != 0)
      throw std::system_error(errno, std::generic_category());
    return part;
  } catch (const std::system_error& failure) {
    if (descriptor >= 0) ::close(descriptor);
    ::unlinkat(descriptor_, temporary.c_str(), 0);
    errno = failure.code().value();
    fail_errno(folder_.string(), "keep what is finished");
  }
}

void RunJournal::claim() {
  if (descriptor_ < 0) make_folder();
}

std::optional<std::span<const std::byte>> RunJournal::find(const std::string& name) const {
  const auto known = parts_.find(name);
  if (known != parts_.end()) return known->second->bytes();
  if (descriptor_ < 0) return std::nullopt;
  auto part = read_part(file_of(name), name);
  if (!part) return std::nullopt;
  return (parts_[name] = std::move(part))->bytes();
}

std::span<const std::byte> RunJournal::put(const std::string& name, std::span<const std::byte> bytes) {
  claim();
  auto part = write_part(file_of(name), name, bytes);
  return (parts_[name] = std::move(part))->bytes();
}

void RunJournal::remove(const std::string& name) {
  parts_.erase(name);
  if (descriptor_ >= 0) ::unlinkat(descriptor_, file_of(name).c_str(), 0);
}

void RunJournal::remove_all(const std::string& prefix) {
  std::erase_if(parts_, [&](const auto& part) { return part.first.starts_with(prefix); });
  if (descriptor_ < 0) return;
  for (const std::string& file : file_names()) {
    if (!is_part(file)) continue;
    const auto name = name_in(file);
    if (name && name->starts_with(prefix)) ::unlinkat(descriptor_, file.c_str(), 0);
  }
}

size_t RunJournal::num_parts() const {
  if (descriptor_ < 0) return 0;
  const std::vector<std::string> names = file_names();
  return static_cast<size_t>(std::count_if(names.begin(), names.end(), is_part));
}

uint64_t RunJournal::size_bytes() const {
  uint64_t sum = 0;
  if (descriptor_ < 0) return sum;
  for (const std::string& file : file_names()) {
    struct stat status {};
    if (::fstatat(descriptor_, file.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
      sum += static_cast<uint64_t>(status.st_size);
  }
  return sum;
}

bool RunJournal::finish() noexcept {
  if (descriptor_ < 0) return true;
  const fs::path finished = finished_path(folder_);
  clear_folder(finished);
  bool gone = ::rename(folder_.c_str(), finished.c_str()) == 0;
  if (gone) {
    clear_folder(finished);
  } else {  // the other name is taken, by a folder with files of others
    clear_files(descriptor_);
    ::rmdir(folder_.c_str());
    gone = ::faccessat(descriptor_, std::string(kIdentityFile).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) != 0;
  }
  for (auto& [name, part] : parts_) finished_.push_back(std::move(part));
  parts_.clear();
  close();
  for (const fs::path& parent : created_parents_) ::rmdir(parent.c_str());  // deepest first; one that is in use stays
  return gone;
}

}  // namespace prunenet
