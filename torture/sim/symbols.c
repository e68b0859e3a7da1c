/* SPDX-License-Identifier: Apache-2.0 */
/* Names for addresses of this program, out of its own file: for traces, and to find the places
 * where mistakes are planted. A stripped program has none. */
#include "machine.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
	bool tried;
	uintptr_t base;
	const ElfW(Sym) * symbols;
	size_t count;
	const char *strings;
	size_t string_bytes;
} table;

static int note_base(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)size;
	*(uintptr_t *)context = info->dlpi_addr;
	return 1; /* the first one is the program itself */
}

static void use_sections(const uint8_t *file, size_t bytes)
{
	const ElfW(Ehdr) *header = (const void *)file;
	if (bytes < sizeof(*header) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
	    header->e_shoff + header->e_shnum * sizeof(ElfW(Shdr)) > bytes)
		return;
	const ElfW(Shdr) *sections = (const void *)(file + header->e_shoff);
	for (size_t i = 0; i < header->e_shnum; i++) {
		const ElfW(Shdr) *section = &sections[i];
		if (section->sh_type != SHT_SYMTAB || section->sh_link >= header->e_shnum)
			continue;
		table.symbols = (const void *)(file + section->sh_offset);
		table.count = section->sh_size / sizeof(ElfW(Sym));
		table.strings = (const char *)file + sections[section->sh_link].sh_offset;
		table.string_bytes = sections[section->sh_link].sh_size;
	}
}

static void load(void)
{
	struct stat st;
	if (table.tried)
		return;
	table.tried = true;
	dl_iterate_phdr(note_base, &table.base);
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0) {
		size_t bytes = (size_t)st.st_size;
		void *file = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
		if (file != MAP_FAILED)
			use_sections(file, bytes);
	}
	close(fd);
}

static bool is_function(size_t i)
{
	return ELF64_ST_TYPE(table.symbols[i].st_info) == STT_FUNC &&
	       table.symbols[i].st_name < table.string_bytes;
}

const char *symbol_name(const void *site, char *text, size_t room)
{
	load();
	uintptr_t at = (uintptr_t)site - table.base;
	snprintf(text, room, "%p", site);
	for (size_t i = 0; i < table.count; i++) {
		const ElfW(Sym) *symbol = &table.symbols[i];
		if (is_function(i) && at >= symbol->st_value &&
		    at < symbol->st_value + symbol->st_size)
			snprintf(text, room, "%s+0x%zx", table.strings + symbol->st_name,
				 (size_t)(at - symbol->st_value));
	}
	return text;
}

/* Compilers append to names of functions that they made variants of. */
static bool is_named(size_t i, const char *name)
{
	const char *symbol = table.strings + table.symbols[i].st_name;
	size_t length = strlen(name);
	return strncmp(symbol, name, length) == 0 &&
	       (symbol[length] == '\0' || symbol[length] == '.');
}

uint32_t symbol_ranges(const char *name, const void **from, const void **to, uint32_t room)
{
	uint32_t found = 0;
	load();
	for (size_t i = 0; i < table.count && found < room; i++) {
		const ElfW(Sym) *symbol = &table.symbols[i];
		if (!is_function(i) || !is_named(i, name))
			continue;
		from[found] = (const void *)(table.base + symbol->st_value);
		to[found++] = (const void *)(table.base + symbol->st_value + symbol->st_size);
	}
	return found;
}
