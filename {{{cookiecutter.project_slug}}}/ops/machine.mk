# What a machine may have set, and what projects need: `docs/machines.md` lists it.

# What a machine may have set for other work. It would have uv install other packages, or elsewhere, Python import other
# modules, and git work on another repository, as in a hook. `make doctor` names what is set.
set-aside := UV_PROJECT UV_WORKING_DIR UV_PROJECT_ENVIRONMENT UV_NO_CONFIG UV_EXCLUDE_NEWER UV_RESOLUTION UV_PRERELEASE \
	UV_NO_DEV UV_NO_DEFAULT_GROUPS UV_NO_GROUP UV_NO_EDITABLE UV_NO_SOURCES UV_NO_SYNC UV_SYSTEM_PYTHON \
	UV_NO_INSTALL_PROJECT UV_NO_INSTALL_WORKSPACE UV_NO_INSTALL_LOCAL \
	PIP_TARGET PIP_PREFIX PIP_ROOT PIP_USER VIRTUAL_ENV CONDA_PREFIX PYTHONHOME PYTHONINSPECT PYTHONIOENCODING \
	PYTHONOPTIMIZE PYTHONSAFEPATH PYTHONWARNINGS \
	GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_COMMON_DIR GIT_NAMESPACE GIT_PREFIX
unexport $(set-aside)
found := $(foreach name,$(set-aside),$(if $(filter environment,$(origin $(name))),$(name)))
# Of PYTHONPATH, folders of this project count. Files and output are UTF-8, whatever the locale is.
export PYTHONPATH := $(subst $() ,:,$(filter src $(CURDIR)/%,$(subst :, ,$(PYTHONPATH))))
export PYTHONUTF8 := 1
# Settings in a home that is only readable count, and caches go to .uv/. Without a home, that is .uv/home.
ifneq ($(shell test -d "$$HOME" && echo yes),yes)
export HOME := $(shell mkdir -p .uv/home)$(CURDIR)/.uv/home
found += HOME
else ifneq ($(shell test -w "$$HOME" && echo yes),yes)
export UV_CACHE_DIR ?= $(CURDIR)/.uv/cache/uv
export XDG_CACHE_HOME ?= $(CURDIR)/.uv/cache
export MPLCONFIGDIR ?= $(CURDIR)/.uv/cache/matplotlib
endif
# A user without a name, as in many containers: programs ask for it.
ifeq ($(LOGNAME)$(USER),)
export USER := $(or $(firstword $(shell { id -un; id -u; } 2>/dev/null)),nobody)
endif

# Threads that wait for each other soon leave the core: on a busy machine, a fit takes a tenth of the time.
export GOMP_SPINCOUNT ?= 500

# A company's proxy is not used between processes of this machine. Some programs read NO_PROXY, some no_proxy.
comma := ,
here = $(if $(filter *,$1),*,$1$(if $(findstring 127.0.0.1$(comma)localhost,$1),,$(if $1,$(comma))127.0.0.1$(comma)localhost$(comma)::1))
listed := $(or $(NO_PROXY),$(no_proxy))
export no_proxy := $(call here,$(or $(no_proxy),$(NO_PROXY)))
export NO_PROXY := $(call here,$(listed))
# Desktops write socks://, which Python's clients refuse.
$(foreach name,ALL_PROXY all_proxy,$(if $(filter socks://%,$($(name))),$(eval export $(name) := $($(name):socks://%=socks5://%))))
